"""A claim that has to reach replicas does not count before it has."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from origin_middleware import ConfigurationError, StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores import codec
from origin_middleware.stores.redis import RedisStore
from origin_middleware.stores.redis.claims import Claims
from origin_middleware.stores.redis.line import now
from tests.support.servers import RedisServer, running, valkey
from tests.support.stores import PATIENT, a_claim, a_key


@pytest.fixture
def primary(own_server: RedisServer) -> RedisServer:
    return own_server


@pytest.fixture
def replica() -> Iterator[RedisServer]:
    with running(valkey()) as server:
        yield server


@pytest.fixture
async def client(primary: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(primary.url) as client:
        yield client


@pytest.fixture
async def store(
    primary: RedisServer, replica: RedisServer, client: Redis
) -> AsyncIterator[RedisStore]:
    await client.config_set("repl-diskless-sync-delay", 0)
    async with Redis.from_url(replica.url) as joining:
        await joining.replicaof("127.0.0.1", str(primary.port))
    await client.set("first", b"", px=10_000)
    assert await client.wait(1, 4_000) == 1  # which waits for the first copy, too
    store = RedisStore.from_url(primary.url, replicas=1, budget=PATIENT)
    yield store
    await store.aclose()


async def test_a_claim_that_a_replica_has_counts(
    store: RedisStore, replica: RedisServer
) -> None:
    key = a_key()
    assert await store.claim(key, a_claim()) == Claimed()
    async with Redis.from_url(replica.url) as reading:
        assert await reading.exists(store._name(key))


async def test_a_claim_that_no_replica_has_is_refused_and_withdrawn(
    store: RedisStore, replica: RedisServer, client: Redis
) -> None:
    key = a_key()
    replica.pause()
    with pytest.raises(StoreUnavailable, match="did not reach 1 replicas"):
        await store.claim(key, a_claim())
    withdrawing = store._session.claims._ghosts._task
    assert withdrawing is not None
    await withdrawing
    assert not await client.exists(store._name(key))
    replica.resume()
    assert await store.claim(key, a_claim("b")) == Claimed()


async def test_effects_that_no_replica_knows_of_do_not_begin(
    store: RedisStore, replica: RedisServer
) -> None:
    """A replica that is promoted without that would have the handler run again."""
    key, claim = a_key(), a_claim(declares=True)
    await store.claim(key, claim)
    replica.pause()
    with pytest.raises(StoreUnavailable, match="effects did not reach 1 replicas"):
        await store.begin_effects(key, claim)
    replica.resume()
    assert await store.begin_effects(key, claim)


async def test_a_confirmation_that_is_read_too_late_is_no_claim(
    store: RedisStore, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here another process has taken over by then."""
    key, stall = a_key(), 0.0
    confirm, other = Claims._confirm, codec.in_progress(a_claim("other"))

    async def stalled(*arguments: Any) -> None:
        nonlocal stall
        await confirm(*arguments)
        await client.set(store._name(key), other, px=100_000)
        stall = store.budget

    monkeypatch.setattr(store._session.calls, "now", lambda: now() + stall)
    monkeypatch.setattr(Claims, "_confirm", stalled)
    with pytest.raises(StoreUnavailable, match="too late"):
        await store.claim(key, a_claim())
    assert await client.get(store._name(key)) == other


async def test_claims_that_come_together_wait_for_replicas_together(
    store: RedisStore, client: Redis
) -> None:
    await store.claim(a_key(), a_claim())
    before = (await client.info("commandstats"))["cmdstat_wait"]["calls"]
    claiming = [store.claim(a_key(), a_claim(f"owner-{n}")) for n in range(200)]
    assert await asyncio.gather(*claiming) == [Claimed()] * 200
    after = (await client.info("commandstats"))["cmdstat_wait"]["calls"]
    assert after - before < 100


@pytest.mark.parametrize(
    "options",
    [
        {"replicas": -1},
        {"replicas": True},
        {"replicas": 1.5},
        {"replicas_timeout": 0.0},
        {"replicas_timeout": 0.25},
        {"on_eviction": "ignore"},
        {"quarantine": -1.0},
        {"quarantine": float("inf")},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        RedisStore(Redis(), **options)  # type: ignore[arg-type] # the mistake under test
