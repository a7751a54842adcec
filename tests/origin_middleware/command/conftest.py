import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from origin_middleware.command import main
from origin_middleware.stores.redis import RedisStore
from tests.support.night import NAMESPACE, Ask
from tests.support.servers import RedisServer
from tests.support.stores import PATIENT


@pytest.fixture(params=["valkey", "redis_6_2", "redis_7"])
def server(request: pytest.FixtureRequest) -> RedisServer:
    found: RedisServer = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore.from_url(server.url, namespace=NAMESPACE, budget=PATIENT)
    yield store
    await store.aclose()
    async with Redis.from_url(server.url) as client:
        async for name in client.scan_iter(f"{NAMESPACE}:*"):
            await client.delete(name)


@pytest.fixture
def ask(server: RedisServer, capsys: pytest.CaptureFixture[str]) -> Ask:
    async def run(*arguments: str) -> tuple[int, str, str]:
        where = ("--url", server.url, "--namespace", NAMESPACE)
        status = await asyncio.to_thread(main, [*arguments, *where])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run
