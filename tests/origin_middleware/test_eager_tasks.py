"""A task factory that runs a task at once, as far as it gets (Python 3.12)."""

import asyncio
import sys

import pytest

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from tests.support.asgi import App, request

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="asyncio has eager tasks from Python 3.12"
)

REPLAY = [(b"x-settlement-replay-id", b"intent-1")]


def be_eager() -> None:
    factory = getattr(asyncio, "eager_task_factory")  # noqa: B009 - not in 3.11
    asyncio.get_running_loop().set_task_factory(factory)


async def test_requests_leave_no_task_behind() -> None:
    be_eager()
    app = IdempotencyMiddleware(App(), store=MemoryStore())
    for _ in range(3):
        assert (await request(app)).body == b"done"
    await asyncio.sleep(0)
    assert not app._runtime._tasks
    await app._runtime.drain(within=0.1)


async def test_a_record_that_is_there_at_the_first_look_ends_a_wait() -> None:
    be_eager()
    app = IdempotencyMiddleware(
        App(), store=MemoryStore(), policy=Policy(require_key=True)
    )
    await request(app)
    async with asyncio.timeout(10):
        answer = await request(app, key=None, headers=REPLAY)
    assert answer.body == b"done"
