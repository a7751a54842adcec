"""What a store promises, once, wherever it may run."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from origin_middleware import IdempotencyMiddleware, Policy, Store
from origin_middleware.key import Key
from origin_middleware.record import (
    Absent,
    Claimed,
    Completed,
    Evidence,
    Finished,
    Held,
    Recorded,
)
from origin_middleware.stores import waiting as waiters
from origin_middleware.stores.redis import RedisStore
from origin_middleware.stores.redis.records import Records
from tests.support.asgi import App, request
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Single, Topology, until

from .names import record_name

DONE = Completed(b"done")
A, B = a_claim("a", lease=600), a_claim("b", lease=600)


@pytest.fixture(autouse=True)
def only_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter that nobody wakes does not look by itself."""
    monkeypatch.setattr(waiters, "_FLOOR", 600)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
async def processes(
    request: pytest.FixtureRequest, topology: Topology
) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two stores that share nothing but their server."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            client = await stack.enter_async_context(topology.client(request.param))
            store = RedisStore(client, budget=PATIENT)
            stack.push_async_callback(store.aclose)
            stores.append(store)
        yield stores[0], stores[1]


async def test_a_duplicate_is_woken_and_gets_the_record(
    topology: Topology, processes: tuple[RedisStore, RedisStore]
) -> None:
    one, other = processes
    key = a_key()
    assert await one.claim(key, A) == Claimed()
    duplicate = await waiting(topology, other, key)
    assert await one.renew(key, A)
    assert await one.complete(key, A, DONE) == Recorded(Evidence.OWNED)
    assert await duplicate == Finished(A.fingerprint, DONE)
    assert await other.claim(key, B) == Finished(A.fingerprint, DONE)


async def test_a_key_that_is_released_is_claimed_by_who_waited(
    topology: Topology, processes: tuple[RedisStore, RedisStore]
) -> None:
    one, other = processes
    key = a_key()
    await one.claim(key, A)
    duplicate = await waiting(topology, other, key)
    assert await one.release(key, A)
    assert await duplicate == Absent()
    assert await other.claim(key, B) == Claimed()
    assert not await one.renew(key, A)


async def test_a_key_that_is_abandoned_is_taken_over_once(
    topology: Topology, processes: tuple[RedisStore, RedisStore]
) -> None:
    one, other = processes
    key = a_key()
    await one.claim(key, A)
    duplicate = await waiting(topology, other, key)
    assert await one.abandon(key, A)
    seen = await duplicate
    assert isinstance(seen, Held)
    assert seen.abandoned
    assert await other.take_over(key, B) == Claimed()
    assert isinstance(await one.take_over(key, A), Held)
    assert not await one.renew(key, A)


async def test_an_operator_finds_every_record_and_settles_one(
    topology: Topology, processes: tuple[RedisStore, RedisStore]
) -> None:
    if isinstance(topology, Single) and topology.options.get("username"):
        pytest.skip("the user of an app may not scan")
    one, other = processes
    keys = [a_key() for _ in range(9)]
    for key in keys:
        await one.claim(key, A)
        await one.abandon(key, A)
    records = other.like(Records)
    digests = {hashlib.sha256(key.encode()).hexdigest() for key in keys}
    assert digests <= {name async for name in records.scan(1e6)}
    name = Key(hashlib.sha256(keys[0].encode()).hexdigest())
    seen = await records.look(name)
    assert seen is not None
    assert (seen.state, seen.attempt) == ("abandoned", 1)
    assert await records.take_over(name, B) == Claimed()
    assert await records.release(name, B)
    assert await records.keys_of_the_server() >= 9
    assert await records.servers()
    await records.aclose()
    assert await one.claim(keys[0], A) == Claimed()


async def test_of_two_instances_with_two_stores_the_inner_one_steps_aside(
    processes: tuple[RedisStore, RedisStore],
) -> None:
    """Where both have the same records, however they find them."""
    inner, policy = App(), Policy(patience=0)
    one, other = processes
    inside = IdempotencyMiddleware(inner, store=other, policy=policy)
    app = IdempotencyMiddleware(inside, store=one, policy=policy)
    assert (await request(app, key=a_key().encode())).status == 200
    assert inner.executions == 1


async def test_scripts_survive_a_flush(
    topology: Topology, processes: tuple[RedisStore, RedisStore]
) -> None:
    one, other = processes
    key = a_key()
    await one.claim(key, A)
    flush_scripts(topology)
    assert await one.renew(key, A)
    flush_scripts(topology)
    assert await one.complete(key, A, DONE) == Recorded(Evidence.OWNED)
    flush_scripts(topology)
    assert await other.claim(key, B) == Finished(A.fingerprint, DONE)


def flush_scripts(topology: Topology) -> None:
    for node in topology.members:
        node.ask("SCRIPT", "FLUSH")


async def waiting(
    topology: Topology, store: Store, key: Key
) -> "asyncio.Task[Absent | Held | Finished]":
    """A duplicate that the record knows of: it has grown by a channel."""
    name = record_name(key)
    node = topology.holder(name)
    before = node.ask("STRLEN", name)
    held = await store.claim(key, B)
    assert isinstance(held, Held)
    task = asyncio.create_task(store.wait(key, held, 10))
    await asyncio.to_thread(
        until, lambda: node.ask("STRLEN", name) > before, "the duplicate is registered"
    )
    return task
