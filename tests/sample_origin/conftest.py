"""A facilitator, and a hand on its clock."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.sample_origin.asking import Clock, asking


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(clock) as client:
        yield client
