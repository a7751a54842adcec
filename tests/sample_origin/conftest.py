"""A facilitator, and its clock."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.sample_origin.facilitator_client import Clock, client_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(clock) as client:
        yield client
