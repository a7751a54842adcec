"""Large responses, which have a key of their own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from origin_middleware import RecordDamaged
from origin_middleware.errors import (
    ResponseUnavailable,
    StoreUnavailable,
    WriteRefused,
)
from origin_middleware.record import (
    Absent,
    Completed,
    Evidence,
    Finished,
    Held,
    NotReplayable,
    Preceded,
    Recorded,
)
from origin_middleware.stores import codec
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.bodies import LARGE
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer
from tests.support.stores import PATIENT, a_claim, a_key

BODY = b"0123456789" * (LARGE // 5)


@pytest.fixture
async def client(valkey_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_server.url) as client:
        yield client


@pytest.fixture
async def store(valkey_server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore.from_url(valkey_server.url, budget=PATIENT)
    yield store
    await store.aclose()


async def names(store: RedisStore, client: Redis, key: str) -> list[bytes]:
    pattern = store._name(key).decode() + "*"  # type: ignore[arg-type] # a Key
    return sorted([name async for name in client.scan_iter(pattern)], key=len)


async def test_a_body_is_not_sent_again_because_the_server_has_lost_a_script(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.claim(key, a_claim())
    await client.script_flush()
    before = (await client.info("stats"))["total_net_input_bytes"]
    told = await store.complete(key, a_claim(), Completed(BODY))
    assert told == Recorded(Evidence.OWNED)
    sent = (await client.info("stats"))["total_net_input_bytes"] - before
    assert len(BODY) < sent < 1.5 * len(BODY)


async def test_a_large_response_comes_back_as_it_was(store: RedisStore) -> None:
    key = a_key()
    await store.claim(key, a_claim())
    told = await store.complete(key, a_claim(), Completed(BODY))
    assert told == Recorded(Evidence.OWNED)
    seen = await store.claim(key, a_claim("b"))
    assert seen == Finished(a_claim().fingerprint, Completed(BODY))


@pytest.mark.parametrize("server", ["valkey_server", "redis_6_2_server"])
async def test_a_record_whose_body_is_not_there_is_sent_again(
    server: str, request: pytest.FixtureRequest
) -> None:
    """Servers put ERR before an error of one word, and ERR would be final."""
    url = request.getfixturevalue(server).url
    store, key = RedisStore.from_url(url, budget=0.5), a_key()
    name, calls = store._name(key), store._session.calls
    record = (name + b":body", codec.finished_elsewhere(a_claim(), 200), 1000, b"")
    with pytest.raises(StoreUnavailable, match="NOBODY") as refused:
        await calls.run(
            name,
            lambda visit: visit.evaluate(scripts.COMPLETE, name, *record, keys=2),
            calls.deadline(),
        )
    await store.aclose()
    assert not isinstance(refused.value, WriteRefused)


async def test_a_waiter_is_given_a_large_response(store: RedisStore) -> None:
    key = a_key()
    await store.claim(key, a_claim())
    held = await store.claim(key, a_claim("b"))
    assert isinstance(held, Held)
    await store.complete(key, a_claim(), Completed(BODY))
    seen = await store.wait(key, held, 5)
    assert seen == Finished(a_claim().fingerprint, Completed(BODY))


async def test_record_and_body_expire_together(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.complete(key, a_claim(retention=100), Completed(BODY))
    left = [await client.pttl(name) for name in await names(store, client, key)]
    assert len(left) == 2
    assert all(99_000 < milliseconds <= 100_000 for milliseconds in left)


async def test_a_small_response_has_no_key_of_its_own(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY[:LARGE]))
    assert len(await names(store, client, key)) == 1


async def test_a_completion_that_came_second_leaves_no_body(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.complete(key, a_claim("a"), Completed(BODY))
    told = await store.complete(key, a_claim("b"), Completed(BODY[::-1]))
    assert told == Preceded(Finished(a_claim("a").fingerprint, Completed(BODY)))
    assert len(await names(store, client, key)) == 2


async def test_a_record_whose_body_is_gone_is_refused_and_kept(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY))
    record, body = await names(store, client, key)
    await client.delete(body)
    with pytest.raises(RecordDamaged, match="gone"):
        await store.claim(key, a_claim("b"))
    assert await client.exists(record)
    # Another one that has run hears that it was the second.
    told = await store.complete(key, a_claim("c"), Completed(b"done"))
    assert told == Preceded(Finished(a_claim().fingerprint, NotReplayable()))


@pytest.mark.parametrize("then", ["nothing", "claimed anew", "written anew"])
async def test_a_record_that_changed_before_its_body_was_read_is_asked_for_again(
    store: RedisStore, valkey_server: RedisServer, client: Redis, then: str
) -> None:
    """As around a failover: the record is read from the old primary, and the new one
    never had the body, or has it a moment later."""
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY))
    async with Proxy(valkey_server.port) as proxy:
        other = RedisStore.from_url(proxy.url)
        await other.claim(a_key(), a_claim())
        held_back = proxy.spoil("GET", Fault.DELAY_REPLY, times=1)
        record, body = await names(store, client, key)
        response = await client.get(body)
        await client.delete(body)
        retry = asyncio.create_task(other.claim(key, a_claim("b")))
        await held_back.happened.wait()
        if then == "written anew":
            assert response is not None
            await client.set(body, response, px=100_000)
        else:
            await client.delete(record)
        if then == "claimed anew":
            await store.claim(key, a_claim("c"))
        held_back.delayed.set()
        with pytest.raises(ResponseUnavailable, match="different times"):
            await retry
        await other.aclose()


async def test_a_body_that_expires_before_its_record_is_no_damage(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY))
    record, body = await names(store, client, key)
    await client.pexpire(record, 500)
    await client.delete(body)
    with pytest.raises(ResponseUnavailable):
        await store.claim(key, a_claim("b"))


async def test_a_waiter_asks_again_for_a_body_that_comes_later(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY))
    record, body = await names(store, client, key)
    await client.pexpire(record, 900)
    await client.delete(body)
    waiting = store.wait(key, Held(a_claim().fingerprint, 10.0), 20)
    assert await waiting == Absent()


async def test_a_large_response_does_not_pass_through_a_script(
    store: RedisStore, client: Redis
) -> None:
    key = a_key()
    await client.config_resetstat()
    await store.claim(key, a_claim())
    await store.complete(key, a_claim(), Completed(BODY))
    await store.claim(key, a_claim("b"))
    stats = await client.info("commandstats")
    assert stats["cmdstat_set"]["calls"] == 3  # the claim, the body, the record
    record = (await names(store, client, key))[0]
    assert await client.strlen(record) < 120
