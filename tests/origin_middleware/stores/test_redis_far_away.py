"""A server far away: to connect takes several round trips, and each takes long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import Connection

from origin_middleware.errors import StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore, connection
from origin_middleware.stores.redis.connection import ConnectTimeout
from origin_middleware.stores.redis.line import now
from origin_middleware.stores.redis.topology import Cluster
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.stores import OwnConnection, a_claim, a_key

# A login, the library's name and the number of the database: three round trips, which
# together take longer than a quarter of the budget.
_ROUND_TRIP = 0.09

# Some are too short while the store learns how far away the server is.
_TRIES = 10


@pytest.fixture
async def proxy(valkey_server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(valkey_server.port) as proxy:
        yield proxy


@pytest.mark.parametrize("kind", [Connection, OwnConnection])
async def test_a_server_far_away_is_reached(
    kind: type[Connection], proxy: Proxy
) -> None:
    proxy.latency = _ROUND_TRIP
    client = Redis.from_url(f"{proxy.url}/1", connection_class=kind)
    async with client, aclosing(RedisStore(client)) as store:
        outcomes = [await _outcome(store)]
        while Claimed() not in outcomes and len(outcomes) < _TRIES:
            outcomes.append(await _outcome(store))
    assert outcomes[-1] == Claimed()


async def _outcome(store: RedisStore) -> object:
    try:
        return await store.claim(a_key(), a_claim())
    except StoreUnavailable as away:
        return away


async def test_a_cluster_far_away_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    async def initialize(_: object) -> None:
        await asyncio.sleep(0.04)

    client = RedisCluster(host="localhost")
    monkeypatch.setattr(type(client), "initialize", initialize)
    monkeypatch.setattr(type(client.nodes_manager), "initialize", initialize)
    monkeypatch.setattr(client, "get_primaries", list)
    cluster = Cluster(client, _greet, 0.05)
    with pytest.raises(TimeoutError):
        await cluster.learn()
    for _ in range(_TRIES):
        try:
            return await cluster.learn()
        except TimeoutError:
            continue
    pytest.fail("it was never given enough time")


async def _greet(*_: Any) -> None: ...


async def test_lost_packets_are_not_waited_for_when_the_server_is_near(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But after a long outage it may be somewhere else."""
    timeout = ConnectTimeout(0.001)
    for seconds in (0.001, 0.002, 0.004, 0.004):
        assert timeout.seconds == seconds
        await _in_vain(timeout)
    async with timeout.attempt():
        pass
    timeout.allow(0.000_2)  # so fast was the connection that came about
    for _ in range(3):
        assert timeout.seconds == 0.001
        await _in_vain(timeout)
    monkeypatch.setattr(connection, "now", lambda: now() + 11)
    await _in_vain(timeout)
    assert timeout.seconds == 0.002


async def _in_vain(timeout: ConnectTimeout) -> None:
    with pytest.raises(TimeoutError):
        async with timeout.attempt():
            await asyncio.sleep(60)


class Strange(Connection):
    """Refused for a reason, and then not answered any more."""

    refused = False

    async def connect(self) -> None:
        if Strange.refused:
            await asyncio.sleep(60)
        Strange.refused = True
        raise OSError("another certificate")


async def test_a_reason_tells_more_than_the_time_limit_that_came_after_it(
    valkey_server: RedisServer,
) -> None:
    Strange.refused = False
    client = Redis.from_url(valkey_server.url, connection_class=Strange)
    async with client, aclosing(RedisStore(client, budget=0.5)) as store:
        with pytest.raises(StoreUnavailable, match="another certificate"):
            await store.claim(a_key(), a_claim())
