"""Servers of a test's own, and what the machine could do meanwhile."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support import machine
from tests.support.machine import Stalls
from tests.support.servers import RedisServer, running, valkey


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
