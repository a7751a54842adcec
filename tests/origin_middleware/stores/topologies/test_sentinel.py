"""A primary that goes away while requests are served, and the sentinels' answer.

Where claims wait for no replica, these have caught up before the fault: what a failover
forgets otherwise is measured in benchmarks/experiments/failover.py.
"""

import asyncio
from secrets import token_hex

import pytest

from tests.support.topologies import Sentinels

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


def isolated(topology: Sentinels) -> None:
    topology.await_promotion(topology.isolate_primary())


def killed(topology: Sentinels) -> None:
    """Returns when somebody else takes writes."""
    topology.await_promotion(topology.kill_primary())
