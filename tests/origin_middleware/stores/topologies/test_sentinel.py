"""A primary that goes away while requests are served, and the sentinels' answer.

Where claims wait for no replica, these have caught up before the fault: what a failover
forgets otherwise is measured in benchmarks/experiments/failover.py.
"""

import asyncio
import logging
import traceback
from contextlib import aclosing
from secrets import token_hex

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from origin_middleware import StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Sentinels
from tests.support.topologies.sentinel_view import SERVICE

from .shop import nothing_happened_twice, shop

pytestmark = pytest.mark.slow

REPLICAS = 2


def fresh() -> list[str]:
    return [token_hex(8) for _ in range(8)]


async def test_a_primary_that_is_killed_repeats_nothing(watched: Sentinels) -> None:
    """Under load, because claims wait for replicas."""
    async with shop(watched, replicas=REPLICAS) as selling:
        answers = await selling.in_the_middle(*fresh())
        await selling.ask_until(asyncio.to_thread(killed, watched))
        selling.gate.set()
        await answers
        await asyncio.to_thread(watched.heal)  # until then there are too few replicas
        await nothing_happened_twice(selling)


@pytest.mark.parametrize("server", ["valkey-9"], indirect=True)
async def test_a_primary_that_is_cut_off_executes_nothing(watched: Sentinels) -> None:
    """It would go on for its clients, and forget all of it."""
    async with shop(watched, replicas=REPLICAS) as selling:
        answers = await selling.in_the_middle(*fresh())
        await selling.ask_until(asyncio.to_thread(isolated, watched))
        selling.gate.set()
        await answers
        await asyncio.to_thread(watched.heal)
        await nothing_happened_twice(selling)


@pytest.mark.parametrize("server", ["valkey-9"], indirect=True)
async def test_after_a_failover_replays_go_on_and_new_claims_are_refused(
    watched: Sentinels,
) -> None:
    async with shop(watched) as selling:
        old = fresh()
        answers = await selling.in_the_middle(*old)
        await asyncio.to_thread(watched.await_replicas)
        await asyncio.to_thread(killed, watched)
        selling.gate.set()
        await answers
        await nothing_happened_twice(selling)
        assert (await selling.ask("new")).code == "store-unavailable"
        assert not selling.started["new"]


@pytest.mark.parametrize("server", ["redis-7"], indirect=True)
async def test_a_failover_that_was_ordered_repeats_nothing(watched: Sentinels) -> None:
    async with shop(watched, quarantine=0) as selling:
        answers = await selling.in_the_middle(*fresh())
        await asyncio.to_thread(watched.await_replicas)
        before = watched.primary()
        await asyncio.to_thread(watched.fail_over)
        # Before a sentinel does it, which would end the connections as well: READONLY.
        before.ask("REPLICAOF", "127.0.0.1", watched.primary().port)
        selling.gate.set()
        await answers
        await nothing_happened_twice(selling)


@pytest.mark.parametrize("server", ["valkey-9"], indirect=True)
async def test_a_primary_that_is_stopped_repeats_nothing(watched: Sentinels) -> None:
    """What nobody answers is delivered when it wakes up, and harms nobody."""
    async with shop(watched, quarantine=0) as selling:
        answers = await selling.in_the_middle(*fresh())
        await asyncio.to_thread(watched.await_replicas)
        primary = watched.pause_primary()
        promotion = asyncio.to_thread(watched.await_promotion, primary)
        await selling.ask_until(promotion)
        primary.process.resume()
        selling.gate.set()
        await answers
        await nothing_happened_twice(selling)


@pytest.mark.parametrize("gone", ["pause", "kill"])
async def test_a_sentinel_that_is_gone_is_passed_over(
    watched: Sentinels, gone: str
) -> None:
    getattr(watched.sentinels[0].process, gone)()
    async with shop(watched) as selling:
        assert (await selling.ask(token_hex(8))).status == 200


async def test_a_sentinel_that_redis_py_has_forgotten_is_asked(
    watched: Sentinels,
) -> None:
    primary = watched.primary()
    async with (
        watched.client() as client,
        aclosing(RedisStore(client, budget=PATIENT)) as store,
    ):
        await store.check()
        pool = client.connection_pool
        assert isinstance(pool, SentinelConnectionPool)
        asked = pool.sentinel_manager.sentinels
        asked[2] = asked[1]  # as two that look for the primary at once may leave it
        for sentinel in watched.sentinels[:2]:
            sentinel.process.kill()
        primary.ask("CLIENT", "KILL", "TYPE", "normal")
        answer = await store.claim(a_key(), a_claim(lease=2 * PATIENT))
        assert isinstance(answer, Claimed)


async def test_sentinels_that_want_another_password_are_not_told_with_it(
    watched: Sentinels, caplog: pytest.LogCaptureFixture
) -> None:
    """redis-py lists the settings of its clients, in some versions the password too."""
    caplog.set_level(logging.INFO, logger="origin_middleware")
    manager = Sentinel(  # type: ignore[no-untyped-call] # redis-py's gap
        watched.addresses,
        sentinel_kwargs={
            "username": "nobody",
            "password": "hunter2",
            "retry": Retry(NoBackoff(), 0),
        },
    )
    sentinels = list(manager.sentinels)
    client: Redis = manager.master_for(SERVICE)
    store = RedisStore(client, budget=PATIENT / 2)
    with pytest.raises(StoreUnavailable, match="sentinel_kwargs") as denied:
        await store.claim(a_key(), a_claim())
    assert not await store._session.wakeups.channel()
    await store.aclose()
    for each in (client, *sentinels):
        await each.aclose()
    told = "".join(traceback.format_exception(denied.value)) + caplog.text
    assert "Wake-ups are interrupted" in told
    assert "hunter2" not in told
    assert "ConnectionPool" not in told


def isolated(topology: Sentinels) -> None:
    topology.await_promotion(topology.isolate_primary())


def killed(topology: Sentinels) -> None:
    """Returns when somebody else takes writes."""
    topology.await_promotion(topology.kill_primary())
