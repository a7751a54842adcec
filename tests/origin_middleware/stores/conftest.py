"""Servers of a test's own, both event loops, and what the machine could do."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support import machine
from tests.support.machine import Stalls
from tests.support.servers import RedisServer, running, valkey

SERVERS = {"valkey_server", "own_server"}
UVLOOP = ("asyncio", {"use_uvloop": True})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What talks to one server does so on uvloop as well."""
    used = set(metafunc.fixturenames)
    if "anyio_backend" in used and used & SERVERS:
        loops = {"asyncio": "asyncio", "uvloop": UVLOOP}
        metafunc.parametrize("anyio_backend", loops.values(), ids=loops)


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with running(valkey()) as server:
        yield server


@pytest.fixture
async def pace() -> float:
    """Multiplies budgets, and what depends on them."""
    return await machine.pace()


@pytest.fixture
async def stalls() -> AsyncIterator[Stalls]:
    stalls = Stalls()
    yield stalls
    stalls.stop()
