"""What is particular to Redis: real servers that forget, refuse, pause and vanish."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from origin_middleware import IdempotencyMiddleware, RecordDamaged, StoreUnavailable
from origin_middleware.key import Key
from origin_middleware.record import Claim, Claimed, Completed, Finished, Held
from origin_middleware.stores import codec
from origin_middleware.stores.redis import RedisStore, scripts, wakeups
from origin_middleware.stores.redis.ghosts import Ghost
from origin_middleware.stores.redis.scripts import Script
from origin_middleware.stores.redis.shared_line import SharedLine
from origin_middleware.stores.redis.topology import Endpoint, Purpose
from sample_origin.processes import free_port
from tests.support.asgi import App, request
from tests.support.machine import Stalls
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer, running, valkey
from tests.support.stores import PATIENT, a_claim, a_key, subscribed


@pytest.fixture
async def client(valkey_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_server.url) as client:
        yield client


@pytest.fixture
async def store(valkey_server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore.from_url(valkey_server.url, budget=PATIENT)
    yield store
    await store.aclose()


@pytest.fixture
def key() -> Key:
    return a_key()


async def held(store: RedisStore, key: Key, by: Claim) -> Held:
    answer = await store.claim(key, by)
    assert isinstance(answer, Held)
    return answer


async def test_no_key_is_without_an_expiry(
    store: RedisStore, client: Redis, key: Key
) -> None:
    name, claim = store._name(key), a_claim(retention=100)
    await store.claim(key, claim)
    assert 0 < await client.pttl(name) <= 100_000
    await store.wait(key, await held(store, key, a_claim("b")), 0.05)
    assert 0 < await client.pttl(name) <= 100_000
    await store.renew(key, claim)
    assert 0 < await client.pttl(name) <= 100_000
    await store.abandon(key, claim)
    assert 0 < await client.pttl(name) <= 100_000
    await store.complete(key, claim, Completed(b"done"))
    assert 0 < await client.pttl(name) <= 100_000


async def test_the_key_is_not_in_the_server(store: RedisStore, client: Redis) -> None:
    await store.claim(Key("intent-in-the-clear"), a_claim())
    assert not [name async for name in client.scan_iter("*clear*")]


async def test_scripts_survive_a_flush(
    store: RedisStore, client: Redis, key: Key
) -> None:
    await store.claim(key, a_claim())
    await client.script_flush()
    assert await store.renew(key, a_claim())
    await client.script_flush()
    await store.complete(key, a_claim(), Completed(b"done"))
    await client.script_flush()
    assert isinstance(await store.claim(key, a_claim("b")), Finished)


async def test_nothing_is_published_when_nobody_waits(
    store: RedisStore, client: Redis, key: Key
) -> None:
    async with client.pubsub() as everything:
        await everything.psubscribe("*")
        await everything.get_message(timeout=1)
        await store.claim(key, a_claim())
        await store.complete(key, a_claim(), Completed(b"done"))
        await client.publish("end", b"")
        message = await everything.get_message(timeout=1)
    assert message is not None
    assert message["channel"] == b"end"


async def test_many_waiters_of_a_process_share_one_look(
    store: RedisStore, client: Redis, key: Key
) -> None:
    await store.claim(key, a_claim())
    seen = await held(store, key, a_claim("b"))
    await store.wait(key, seen, 0.05)
    before = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
    waits = [asyncio.create_task(store.wait(key, seen, 5)) for _ in range(300)]
    await asyncio.sleep(0)
    await store.complete(key, a_claim(), Completed(b"done"))
    outcomes = await asyncio.gather(*waits)
    after = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert outcomes == [Finished(a_claim().fingerprint, Completed(b"done"))] * 300
    assert after - before <= 3  # the completion, and a look before and after it


async def test_a_lost_subscription_is_opened_again(
    store: RedisStore, client: Redis, key: Key
) -> None:
    await store.claim(key, a_claim())
    seen = await held(store, key, a_claim("b"))
    wait = asyncio.create_task(store.wait(key, seen, 10))
    await store.wait(key, seen, 0.05)
    await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call] # redis-py's gap
    await store.complete(key, a_claim(), Completed(b"done"))
    assert isinstance(await wait, Finished)
    await subscribed(store)


async def test_after_a_failover_the_subscription_is_at_the_new_server(
    valkey_server: RedisServer, client: Redis
) -> None:
    """The old one is still there, and answers: nothing else ends the subscription."""
    with running(valkey()) as promoted:
        asked = Redis.from_url(valkey_server.url)
        store = RedisStore(asked, budget=PATIENT, quarantine=0)
        await store.check()
        channel = await subscribed(store)
        asked.connection_pool.connection_kwargs["port"] = promoted.port
        await client.execute_command(
            "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"
        )  # type: ignore[no-untyped-call] # redis-py's gap
        await store.check()
        async with Redis.from_url(promoted.url) as there, asyncio.timeout(30):
            while not await there.pubsub_channels(channel):
                pass
        await store.aclose()
        await asked.aclose()


async def test_an_interrupted_subscription_is_told_once_for_each_outage(
    valkey_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(wakeups, "_RECONNECT", 0.01)
    async with Proxy(valkey_server.port) as proxy:
        store = RedisStore.from_url(proxy.url, budget=PATIENT)
        for outage in (1, 2):
            proxy.spoil("SUBSCRIBE", Fault.RESET_BEFORE)
            proxy.say(b"-ERR the server goes\r\n")
            await store._session.wakeups.channel()
            await proxy.has_come("SUBSCRIBE", proxy.commands["SUBSCRIBE"] + 3)
            proxy.spoil_nothing()
            await subscribed(store)
            said = [line for line in caplog.messages if "Wake-ups" in line]
            assert len(said) == outage
        await store.aclose()


async def test_a_claim_that_arrives_too_late_is_not_applied(
    store: RedisStore, client: Redis, key: Key
) -> None:
    late = await clock(client) - 1
    with pytest.raises(ResponseError, match="LATE"):
        await eval_claim(client, store._name(key), a_claim(), late)
    assert not await client.exists(store._name(key))


async def test_a_take_over_that_arrives_too_late_is_not_applied(
    store: RedisStore, client: Redis, key: Key
) -> None:
    await store.claim(key, a_claim())
    await store.abandon(key, a_claim())
    late = await clock(client) - 1
    before = await client.get(store._name(key))
    with pytest.raises(ResponseError, match="LATE"):
        await eval_claim(
            client, store._name(key), a_claim("b"), late, scripts.TAKE_OVER
        )
    assert await client.get(store._name(key)) == before


async def test_a_wrong_idea_of_the_servers_clock_is_corrected(
    store: RedisStore, key: Key
) -> None:
    await store.check()
    endpoint(store).offset -= 3_600_000
    assert await store.claim(key, a_claim()) == Claimed()


async def test_a_damaged_record_is_refused_and_kept(
    store: RedisStore, client: Redis, key: Key
) -> None:
    for damage in (
        b"",
        b"\x01",
        b"\x02P" + b"x" * 71,
        b"\x01X" + b"x" * 71,
        b"\x02P" + b"x" * 71,
        b"\x02R",
        b"\x02R00000p1700000000000",
        codec.in_progress(a_claim("another")) + b"00000p1700000000000",
        codec.in_progress(a_claim("b", declares=True)) + b"00000p1700000000000",
    ):
        await client.set(store._name(key), damage, px=10_000)
        with pytest.raises(RecordDamaged):
            await store.claim(key, a_claim())
        if not damage.startswith(b"\x02R"):  # there is nothing to take over
            with pytest.raises(RecordDamaged):
                await store.take_over(key, a_claim())
        if damage:  # an empty value looks like an absent one
            with pytest.raises(RecordDamaged):
                await store.look(key)
        assert await client.get(store._name(key)) == damage


async def test_a_damaged_record_is_not_released(
    store: RedisStore, client: Redis, key: Key
) -> None:
    damage = codec.in_progress(a_claim()) + b"00000p1700000000000"
    await client.set(store._name(key), damage, px=10_000)
    with pytest.raises(RecordDamaged):
        await store.release(key, a_claim())
    assert await client.get(store._name(key)) == damage


async def test_a_record_that_expires_as_it_is_abandoned_leaves_nothing_behind(
    store: RedisStore, client: Redis, key: Key
) -> None:
    """A key without an expiry would block its request for ever."""
    claim, name = a_claim(), store._name(key)
    await store.claim(key, claim)
    await store.abandon(key, claim)  # the server has the script now
    record = codec.in_progress(claim) + b"0000011700000000000"
    owned = codec.header(b"P", claim.owner)
    for _ in range(5):
        together = client.pipeline(transaction=False)
        together.set(name, record, px=2)
        for _ in range(500):
            together.evalsha(scripts.ABANDON.digest.decode(), 1, name, owned)
        await together.execute()
        assert await client.pttl(name) != -1


async def test_a_key_of_another_type_is_refused_and_kept(
    store: RedisStore, client: Redis, key: Key
) -> None:
    await client.rpush(store._name(key), "somebody else's")
    with pytest.raises(RecordDamaged):
        await store.claim(key, a_claim())
    assert await client.llen(store._name(key)) == 1


async def test_a_full_server_refuses_at_once(own_server: RedisServer, key: Key) -> None:
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    await store.claim(key, a_claim())
    async with Redis.from_url(own_server.url) as client:
        await client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="memory"):
            await store.claim(a_key(), a_claim())
    await store.aclose()


async def test_an_absent_server_is_reported_within_the_budget(
    stalls: Stalls,
) -> None:
    store = RedisStore.from_url(f"redis://127.0.0.1:{free_port()}", budget=0.2)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.claim(a_key(), a_claim())
    assert time.monotonic() - begun - stalls.seconds < 0.5
    await store.aclose()


@pytest.mark.parametrize("own_client", [True, False])
async def test_a_paused_server_costs_the_budget_and_leaves_no_ghost(
    own_server: RedisServer, own_client: bool, key: Key, pace: float
) -> None:
    """Also with a client whose own settings would try for a minute."""
    client = Redis.from_url(own_server.url)
    store = (
        RedisStore(client, budget=0.5 * pace)
        if own_client
        else RedisStore.from_url(own_server.url, budget=0.5 * pace)
    )
    await store.claim(a_key(), a_claim())
    own_server.pause()
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.claim(key, a_claim("ghost"))
    took = time.monotonic() - begun
    own_server.resume()
    assert took < 1.0 * pace
    await withdrawn(store)
    assert not await client.exists(store._name(key))
    await store.aclose()
    await client.aclose()


async def test_a_ghost_that_was_applied_is_withdrawn(
    own_server: RedisServer, key: Key
) -> None:
    """The reply is lost, not the request: the worst case of a claim whose fate is
    unknown.
    """
    async with Redis.from_url(own_server.url) as client:
        store = RedisStore.from_url(own_server.url, budget=PATIENT)
        assert await store.claim(key, a_claim("ghost")) == Claimed()
        not_after = await clock(client) + 300
        header = b"\x02P" + a_claim("ghost").owner
        store._session.claims._ghosts.add(
            Ghost(scripts.RELEASE, store._name(key), header, not_after)
        )
        assert await client.exists(store._name(key))
        await withdrawn(store)
        assert await clock(client) > not_after
        assert not await client.exists(store._name(key))
        await store.aclose()


async def test_records_survive_a_restart_and_the_store_reconnects(
    own_server: RedisServer, key: Key
) -> None:
    store = RedisStore.from_url(own_server.url)
    await store.claim(key, a_claim())
    await store.complete(key, a_claim(), Completed(b"done"))
    own_server.stop()
    with pytest.raises(StoreUnavailable):
        await store.claim(key, a_claim("b"))
    own_server.start()
    assert isinstance(await store.claim(key, a_claim("b")), Finished)
    await store.aclose()


async def test_a_new_line_to_the_same_server_keeps_its_subscription(
    store: RedisStore, key: Key
) -> None:
    await store.claim(key, a_claim())
    await subscribed(store)
    before = store._session.wakeups._subscription
    endpoint(store).close("it was lost")
    assert await store.renew(key, a_claim())
    assert store._session.wakeups._subscription is before
    assert before is not None
    assert not before.cancelling()


async def test_a_subscription_that_is_cancelled_itself_begins_again_after_a_pause(
    store: RedisStore, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a credential provider, say, whose task was cancelled."""
    tried = 0

    async def cancelled(_: wakeups.WakeUps) -> None:
        nonlocal tried
        tried += 1
        raise asyncio.CancelledError

    monkeypatch.setattr(wakeups, "_RECONNECT", 3600)
    monkeypatch.setattr(wakeups.WakeUps, "_stay_subscribed", cancelled)
    assert not await store._session.wakeups.channel()
    for _ in range(100):
        await asyncio.sleep(0)
    assert tried == 1


async def test_a_store_that_was_closed_leaves_no_connection(
    store: RedisStore, key: Key
) -> None:
    """Nor one that is only about to go: the event loop may end right after it."""
    await store.claim(key, a_claim())
    line = endpoint(store).line(Purpose.MAIN)
    assert isinstance(line, SharedLine)
    await store.aclose()
    assert line._gone.is_set()


async def test_what_is_under_way_when_a_store_is_closed_leaves_no_connection(
    valkey_server: RedisServer, key: Key
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        store = RedisStore.from_url(proxy.url, budget=PATIENT)
        await store.claim(key, a_claim("a"))
        seen = await held(store, key, a_claim("b"))
        wait = asyncio.create_task(store.wait(key, seen, 2))
        await subscribed(store)
        slow = proxy.spoil(scripts.RENEW.sha, Fault.DELAY_REPLY, times=1)
        renewal = asyncio.create_task(store.renew(key, a_claim("a")))
        await slow.happened.wait()
        await store.aclose()
        assert renewal.done()
        assert await renewal
        await proxy.deserted()
        assert await wait == seen
        assert not proxy.open


async def test_who_begins_to_wait_when_a_store_is_closed_leaves_no_connection(
    valkey_server: RedisServer, key: Key
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        store = RedisStore.from_url(proxy.url, budget=PATIENT)
        await store.claim(key, a_claim("a"))

        async def waits() -> object:
            seen = await held(store, key, a_claim("b"))
            return await store.wait(key, seen, 2)

        slow = proxy.spoil(scripts.CLAIM.sha, Fault.DELAY_REPLY, times=1)
        waiting = asyncio.create_task(waits())
        await slow.happened.wait()
        await store.aclose()
        await proxy.deserted()
        assert isinstance(await waiting, Held)
        assert not proxy.open


async def test_closing_a_store_withdraws_a_claim_that_ends_in_doubt_meanwhile(
    valkey_server: RedisServer, client: Redis, key: Key, pace: float
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        store = RedisStore.from_url(proxy.url, budget=0.3 * pace)
        await store.check()
        lost = proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY)
        claim = asyncio.create_task(store.claim(key, a_claim()))
        await lost.happened.wait()
        await store.aclose()
        with pytest.raises(StoreUnavailable):
            await claim
        await proxy.deserted()
        assert not await client.exists(store._name(key))


async def test_closing_a_store_ends_who_waits_for_its_connection(
    own_server: RedisServer, key: Key
) -> None:
    """As if the store were away, which the middleware has an answer to. A request that
    is cancelled itself stays so.
    """
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    own_server.pause()
    claim = asyncio.create_task(store.claim(key, a_claim()))
    check = asyncio.create_task(store.check())
    asked = asyncio.create_task(request(IdempotencyMiddleware(App(), store=store)))
    gone = asyncio.create_task(store.claim(key, a_claim("b")))
    for _ in range(5):  # until all of them wait
        await asyncio.sleep(0)
    gone.cancel()
    await store.aclose()
    own_server.resume()
    for call in (claim, check):
        with pytest.raises(StoreUnavailable, match="was closed"):
            await call
    assert (await asked).code == "store-unavailable"
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_wait_survives_a_store_that_is_away(
    own_server: RedisServer, key: Key
) -> None:
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    await store.claim(key, a_claim(lease=30))
    seen = await held(store, key, a_claim("b"))
    wait = asyncio.create_task(store.wait(key, seen, 20))
    await store.wait(key, seen, 0.05)
    own_server.stop()
    own_server.start()
    await store.complete(key, a_claim(), Completed(b"done"))
    assert isinstance(await wait, Finished)
    await store.aclose()


async def eval_claim(
    client: Redis,
    name: bytes,
    claim: Claim,
    until: int,
    script: Script = scripts.CLAIM,
) -> None:
    record = codec.in_progress(claim)
    limits = (1_000_000, until, 20, 0, b"")
    await client.eval(script.source, 1, name, record, *limits)


async def clock(client: Redis) -> int:
    """The server's, in ms."""
    seconds, microseconds = await client.time()
    return int(seconds * 1000 + microseconds // 1000)


def endpoint(store: RedisStore) -> Endpoint:
    endpoint = store._session.calls._topology.endpoint(b"")
    assert endpoint
    return endpoint


async def withdrawn(store: RedisStore) -> None:
    """Nobody has to ask for it."""
    assert store._session.claims._ghosts._task is not None
    await store._session.claims._ghosts._task
