"""Servers of a test's own."""

from collections.abc import Iterator

import pytest

from tests.support.servers import RedisServer, running, valkey


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with running(valkey()) as server:
        yield server
