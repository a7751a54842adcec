"""A MemoryStore in a test that runs an app in threads, each with a loop of its own."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from origin_middleware import (
    Absent,
    Finished,
    Held,
    IdempotencyMiddleware,
    Key,
    MemoryStore,
    Policy,
)
from origin_middleware.asgi import Receive, Scope, Send
from tests.support.asgi import App, Connection, request

THREADS = 8


def test_one_executes_and_all_get_the_answer_when_it_is_there() -> None:
    inner, begin = App(), threading.Barrier(THREADS)
    entered, waiting = threading.Event(), threading.Semaphore(0)

    class Noting(MemoryStore):
        async def wait(
            self, key: Key, held: Held, timeout: float, /
        ) -> Absent | Held | Finished:
            waiting.release()
            return await super().wait(key, held, timeout)

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        for _ in range(THREADS - 1):
            await asyncio.to_thread(waiting.acquire)
        await inner(scope, receive, send)

    app = IdempotencyMiddleware(
        handler, store=Noting(), policy=Policy(patience=50, lease=50)
    )

    def one() -> Connection:
        begin.wait()
        return asyncio.run(request(app))

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [threads.submit(one) for _ in range(THREADS)]
        bodies = [answer.result(timeout=45).body for answer in answers]
    assert bodies == [b"done"] * THREADS
    assert inner.executions == 1


def test_a_shutdown_waits_for_what_runs_in_its_own_loop() -> None:
    """The end of what runs in another one would not wake it."""
    inner, entered, end = App(), threading.Event(), threading.Event()

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await asyncio.to_thread(end.wait)
        await inner(scope, receive, send)

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(lambda: asyncio.run(request(app)))
        entered.wait()
        asyncio.run(asyncio.wait_for(app._runtime.drain(), 10))
        end.set()
        assert running.result(timeout=10).body == b"done"
