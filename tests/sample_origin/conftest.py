"""A facilitator, and its clock; and the whole chain."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from sample_origin.machine import Machine, running
from tests.sample_origin.facilitator_client import Clock, client_of


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """For tests that leave it as it was, but for what has been paid."""
    with running() as machine:
        yield machine


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(clock) as client:
        yield client
