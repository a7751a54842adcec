"""Time limits here are as long as the machine needs them, and no longer."""

from collections.abc import AsyncIterator

import pytest

from tests.support import machine
from tests.support.machine import Stalls
from tests.support.servers import RedisServer


@pytest.fixture
async def pace(valkey_server: RedisServer) -> float:
    """Multiplies budgets, and what depends on them."""
    return await machine.pace(valkey_server)


@pytest.fixture
async def stalls() -> AsyncIterator[Stalls]:
    stalls = Stalls()
    yield stalls
    stalls.stop()
