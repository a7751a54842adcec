"""A slot that moves and a primary that goes away while requests are served."""

import asyncio
from contextlib import aclosing
from secrets import token_hex

import pytest
from redis.asyncio.cluster import RedisCluster

from origin_middleware import StoreUnavailable, StoreUnsafe
from origin_middleware.key import Key, key_digest
from origin_middleware.record import (
    Claimed,
    Completed,
    Evidence,
    Finished,
    Held,
    Recorded,
)
from origin_middleware.stores.redis import RedisStore
from origin_middleware.stores.redis.records import Records
from tests.support.stores import PATIENT, a_claim
from tests.support.topologies import Cluster

from .names import record_name, slotmates
from .shop import nothing_happened_twice, shop

pytestmark = pytest.mark.slow

A, B = a_claim("a"), a_claim("b")


def fresh() -> list[str]:
    return [token_hex(8) for _ in range(8)]


async def test_a_slot_that_moves_repeats_nothing(sharded: Cluster) -> None:
    """Some records have moved and some have not: ASK. Then all have: MOVED."""
    running, finished, *fresh = slotmates(5)
    migration = sharded.migration(record_name(running))
    async with shop(sharded) as selling:
        await selling.ask(finished)
        answers = await selling.in_the_middle(running)
        migration.begin()
        await selling.ask(fresh[0])
        await selling.ask(finished)
        assert migration.move() >= 2
        for key in (finished, *fresh[:2]):
            await selling.ask(key)
        migration.finish()
        for key in (finished, *fresh):
            await selling.ask(key, 1)
        selling.gate.set()
        await answers
        assert {answer.status for answer in selling.answers[running]} == {200}
        await nothing_happened_twice(selling)


async def test_the_records_of_all_primaries_are_scanned(sharded: Cluster) -> None:
    namespace = token_hex(4)
    async with sharded.client() as client:
        store = RedisStore(client, namespace=namespace, budget=PATIENT)
        async with aclosing(store), aclosing(store.like(Records)) as records:
            keys = [Key(name) for _ in range(4) for name in fresh()]
            for key in keys:
                assert await store.claim(key, A) == Claimed()
            found = [name async for name in records.scan(rate=1e6)]
    assert sorted(found) == sorted(map(key_digest, keys))


async def test_every_primary_has_a_mark_of_its_own(sharded: Cluster) -> None:
    """By which a process sees that the data of one was lost."""
    async with sharded.client() as client:
        store = RedisStore(client)
        await store.check()
        for node in client.get_primaries():
            assert await client.keys("idem:mark:*", target_nodes=node)
        await store.aclose()


async def test_the_middle_of_a_migration_is_not_noticed(sharded: Cluster) -> None:
    """Each step of the protocol, against a record that was moved before it."""
    key = Key(slotmates(1)[0])
    async with sharded.client() as client:
        store = RedisStore(client, budget=PATIENT)
        migration = sharded.migration(record_name(key))
        migration.begin()
        assert await store.claim(key, A) == Claimed()
        assert migration.move() == 0  # claimed where the slot is going
        assert await store.renew(key, A)
        await store.complete(key, A, Completed(b"x" * 1_048_576))
        assert isinstance(await store.claim(key, B), Finished)
        migration.finish()
        assert isinstance(await store.claim(key, B), Finished)
        await store.aclose()


async def test_a_large_completion_waits_for_its_record_to_move(
    sharded: Cluster,
) -> None:
    """Written where the slot is going, it would be in the way of the record."""
    key = Key(slotmates(1)[0])
    async with sharded.client() as client:
        store = RedisStore(client)
        assert await store.claim(key, A) == Claimed()
        migration = sharded.migration(record_name(key))
        migration.begin()
        with pytest.raises(StoreUnavailable):
            await store.complete(key, A, Completed(b"x" * 1_048_576))
        assert migration.move() == 1
        migration.finish()
        told = await store.complete(key, A, Completed(b"x" * 1_048_576))
        assert told == Recorded(Evidence.OWNED)
        await store.aclose()


async def test_a_slot_that_moves_costs_no_connections(sharded: Cluster) -> None:
    name = record_name(key := Key(slotmates(1)[0]))
    target = (migration := sharded.migration(name)).target
    async with sharded.client() as client:
        store = RedisStore(client, budget=PATIENT)
        migration.begin()
        await store.claim(key, A)
        before = len(target.clients())
        for _ in range(20):
            assert isinstance(await store.claim(key, B), Held)
        assert len(target.clients()) == before
        migration.finish()
        await store.aclose()


async def test_a_failover_that_was_ordered_repeats_nothing(sharded: Cluster) -> None:
    """Under load: the replica waits until it has everything."""
    async with shop(sharded, quarantine=0) as selling:
        old = fresh()
        answers = await selling.in_the_middle(*old)
        order = asyncio.to_thread(sharded.fail_over, record_name(old[0]))
        await selling.ask_until(order)
        selling.gate.set()
        await answers
        await nothing_happened_twice(selling)


async def test_a_primary_that_is_killed_repeats_nothing(sharded: Cluster) -> None:
    """Under load, because claims wait for the replica."""
    async with shop(sharded, replicas=1) as selling:
        old = fresh()
        answers = await selling.in_the_middle(*old)
        await selling.ask_until(asyncio.to_thread(killed, sharded, record_name(old[0])))
        selling.gate.set()
        await answers
        await asyncio.to_thread(sharded.heal)  # until then there is no replica
        await nothing_happened_twice(selling)


def killed(topology: Cluster, name: bytes) -> None:
    """Returns when somebody else serves the name."""
    topology.primary_of(name).process.kill()
    topology.await_promotion(name)


async def test_a_client_for_one_server_is_refused_with_the_one_to_take(
    sharded: Cluster,
) -> None:
    url = sharded.members[0].process.url
    async with aclosing(RedisStore.from_url(url)) as store:
        with pytest.raises(StoreUnsafe, match=r"redis\.asyncio\.cluster\.RedisCluster"):
            await store.check()


async def test_a_client_that_another_event_loop_holds_is_an_outage(
    sharded: Cluster,
) -> None:
    """And no error of the app: redis-py's locks belong to one loop."""
    client = RedisCluster("127.0.0.1", sharded.members[0].port)
    store = RedisStore(client, budget=0.5)
    shared = client.nodes_manager._initialize_lock

    async def claim_elsewhere() -> object:
        claimed = await store.claim(Key(token_hex(8)), A)
        await store.aclose()
        return claimed

    async with shared:
        second = asyncio.create_task(shared.acquire())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="different event loop"):
            await asyncio.to_thread(asyncio.run, claim_elsewhere())
    await second
    shared.release()
    await client.aclose()
