"""Claims whose reply is lost or late, through a proxy in front of a real server."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from redis.asyncio import Redis

from origin_middleware import StoreUnavailable
from origin_middleware.key import Key
from origin_middleware.record import (
    NOBODY,
    Claim,
    Claimed,
    Exhausted,
    Held,
    NotReplayable,
)
from origin_middleware.stores import codec
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.claims import Claims, Kind
from origin_middleware.stores.redis.line import Line, now
from origin_middleware.stores.redis.scripts import Script
from origin_middleware.stores.redis.topology import Endpoint
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer
from tests.support.stores import a_claim, a_key

pytestmark = pytest.mark.slow


@pytest.fixture
async def proxy(valkey_server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(valkey_server.port) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, pace: float) -> AsyncIterator[RedisStore]:
    store = RedisStore.from_url(proxy.url, budget=1.0 * pace)
    await store.check()
    yield store
    await store.aclose()


@pytest.fixture
async def client(valkey_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_server.url) as client:
        for script in (
            scripts.CLAIM,
            scripts.TAKE_OVER,
            scripts.RELEASE,
            scripts.RENEW,
        ):
            await client.script_load(script.source)
        yield client


@pytest.fixture
def key(client: Redis) -> Key:
    return a_key()


async def withdrawn(store: RedisStore) -> None:
    assert store._session.claims._ghosts._task is not None
    await store._session.claims._ghosts._task


async def test_a_lost_reply_costs_an_attempt_and_not_the_claim(
    store: RedisStore, proxy: Proxy, key: Key
) -> None:
    spoiled = proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY, times=1)
    assert await store.claim(key, a_claim()) == Claimed()
    assert spoiled.fired == 1
    assert isinstance(await store.claim(key, a_claim("b")), Held)


async def test_a_claim_that_is_lost_leaves_no_doubt_behind(
    store: RedisStore, proxy: Proxy, client: Redis, key: Key
) -> None:
    """Nobody writes an outcome for it, which would end the doubt."""
    proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY, times=1)
    await store.claim(key, a_claim())
    await client.delete(store._name(key))
    assert store._session.claims._in_doubt
    assert not await store.renew(key, a_claim())
    assert not store._session.claims._in_doubt
    await withdrawn(store)


@pytest.mark.parametrize("end", [scripts.COMPLETE, scripts.RELEASE])
async def test_a_claim_whose_end_is_not_written_leaves_no_doubt_behind(
    store: RedisStore, proxy: Proxy, key: Key, end: Script
) -> None:
    proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY, times=1)
    await store.claim(key, a_claim())
    assert store._session.claims._in_doubt
    proxy.spoil(end.sha, Fault.LOSE_REQUEST)
    complete = partial(store.complete, key, a_claim(), NotReplayable())
    with pytest.raises(StoreUnavailable):
        await (complete() if end is scripts.COMPLETE else store.release(key, a_claim()))
    assert not store._session.claims._in_doubt
    proxy.spoil_nothing()


async def test_a_claim_of_which_no_reply_comes_is_released(
    store: RedisStore, proxy: Proxy, key: Key
) -> None:
    spoiled = proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY)
    with pytest.raises(StoreUnavailable):
        await store.claim(key, a_claim("ghost"))
    proxy.spoil_nothing()
    await withdrawn(store)
    assert spoiled.fired > 0
    assert await store.claim(key, a_claim("b")) == Claimed()


async def test_a_take_over_of_which_no_reply_comes_leaves_the_key_abandoned(
    store: RedisStore, proxy: Proxy, key: Key
) -> None:
    """Released, it would be run again without anybody being asked."""
    await store.claim(key, a_claim("dead"))
    await store.abandon(key, a_claim("dead"))
    proxy.spoil(scripts.TAKE_OVER.sha, Fault.LOSE_REPLY)
    with pytest.raises(StoreUnavailable):
        await store.take_over(key, a_claim("ghost"))
    proxy.spoil_nothing()
    await withdrawn(store)
    seen = await store.claim(key, a_claim("b"))
    assert isinstance(seen, Held)
    assert seen.abandoned


@pytest.mark.parametrize("inquires", [False, True])
async def test_what_is_withdrawn_is_no_attempt(
    store: RedisStore, proxy: Proxy, key: Key, inquires: bool
) -> None:
    async def gives_up(script: Script, owner: str) -> None:
        make = store.claim if script is scripts.CLAIM else store.take_over
        proxy.spoil(script.sha, Fault.LOSE_REPLY)
        with pytest.raises(StoreUnavailable):
            await make(key, a_claim(owner, max_attempts=9, inquires=inquires))
        proxy.spoil_nothing()
        await withdrawn(store)

    await gives_up(scripts.CLAIM, "first")
    assert await store.claim(key, a_claim("a")) == Claimed()
    await store.release(key, a_claim("a"))
    await gives_up(scripts.CLAIM, "second")
    assert await store.claim(key, a_claim("b", max_attempts=1)) == Exhausted()
    assert await store.claim(key, a_claim("c", max_attempts=2)) == Claimed()
    await store.abandon(key, a_claim("c"))
    await gives_up(scripts.TAKE_OVER, "third")
    assert await store.take_over(key, a_claim("d", max_attempts=2)) == Exhausted()
    assert await store.take_over(key, a_claim("e", max_attempts=3)) == Claimed()


async def test_a_take_over_that_is_undone_twice_counts_as_undone_once(
    store: RedisStore, client: Redis, key: Key
) -> None:
    """It is undone at once, and again when no try of it can arrive any more."""
    await store.claim(key, a_claim("dead"))
    await store.abandon(key, a_claim("dead"))
    ghost = a_claim("ghost")
    assert isinstance(await store.take_over(key, ghost), Claimed)
    owned = codec.header(b"P", ghost.owner)
    for _ in range(2):
        await client.eval(scripts.ABANDON.source, 1, store._name(key), owned, 1)
    seen = await store.look(key)
    assert seen is not None
    assert (seen.state, seen.attempt, seen.owner) == ("abandoned", 1, NOBODY)


async def test_an_attempt_that_comes_after_the_release_is_withdrawn(
    store: RedisStore, proxy: Proxy, client: Redis, key: Key
) -> None:
    """The first attempt is under way while the second one wins and is released."""
    proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY, times=1)
    claim = a_claim("owner")
    assert await store.claim(key, claim) == Claimed()
    ghost = store._session.claims._in_doubt[claim.owner]
    assert await store.release(key, claim)
    record, not_after = codec.in_progress(claim), ghost.not_after
    name = store._name(key)
    await client.eval(scripts.CLAIM.source, 1, name, record, 1_000_000, not_after, 20)
    assert await client.getrange(name, 0, 1) == b"\x02P"
    await withdrawn(store)
    assert await client.getrange(name, 0, 7) == b"\x02R000001"


async def test_an_attempt_that_comes_after_somebody_elses_claim_is_withdrawn(
    store: RedisStore,
    proxy: Proxy,
    client: Redis,
    key: Key,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is under way while another claim is found, which is given back then."""
    instants: list[int] = []
    doubt = Claims._doubt

    def noted(store: Claims, kind: Kind, name: bytes, claim: Claim, last: int) -> None:
        instants.append(last)
        doubt(store, kind, name, claim, last)

    monkeypatch.setattr(Claims, "_doubt", noted)
    mine, other, name = a_claim("mine"), a_claim("other"), store._name(key)
    proxy.spoil(scripts.CLAIM.sha, Fault.RESET_BEFORE, times=1)
    theirs = codec.in_progress(other)
    far = 10**15
    await client.eval(scripts.CLAIM.source, 1, name, theirs, 1_000_000, far, 20)
    assert isinstance(await store.claim(key, mine), Held)
    await client.delete(name)
    record = codec.in_progress(mine)
    await client.eval(scripts.CLAIM.source, 1, name, record, 1_000_000, instants[0], 20)
    assert await client.exists(name)
    await withdrawn(store)
    assert not await client.exists(name)


async def test_closing_the_store_withdraws_what_is_in_doubt(
    store: RedisStore, proxy: Proxy, client: Redis, key: Key
) -> None:
    proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY)
    with pytest.raises(StoreUnavailable):
        await store.claim(key, a_claim("ghost"))
    proxy.spoil_nothing()
    await store.aclose()
    assert not await client.exists(store._name(key))


@pytest.mark.parametrize("script", [scripts.CLAIM, scripts.TAKE_OVER])
async def test_a_claim_that_is_cancelled_is_withdrawn(
    store: RedisStore, proxy: Proxy, client: Redis, key: Key, script: Script
) -> None:
    """Whenever that happens: its reply is held back, and comes after all."""
    if script is scripts.TAKE_OVER:
        await store.claim(key, a_claim("dead"))
        await store.abandon(key, a_claim("dead"))
    make = store.claim if script is scripts.CLAIM else store.take_over
    held_back = proxy.spoil(script.sha, Fault.DELAY_REPLY, times=1)
    claiming = asyncio.create_task(make(key, a_claim("cancelled")))
    await has_record(store, client, key, "cancelled")
    claiming.cancel()
    held_back.delayed.set()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    await withdrawn(store)
    seen = await store.claim(key, a_claim("b"))
    abandoned = isinstance(seen, Held) and seen.abandoned
    assert abandoned if script is scripts.TAKE_OVER else seen == Claimed()


@pytest.mark.parametrize("meanwhile", ["nothing", "taken over", "stalled again"])
@pytest.mark.parametrize("lease", [10.0, 0.3])
@pytest.mark.parametrize("script", [scripts.CLAIM, scripts.TAKE_OVER])
async def test_a_reply_that_is_read_too_late_is_no_claim(
    store: RedisStore,
    proxy: Proxy,
    client: Redis,
    key: Key,
    script: Script,
    lease: float,
    meanwhile: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process was stopped for longer than the budget, or than the lease, and
    another may have taken over what looked abandoned. A renewal tells.
    """
    stall, late = 0.0, 0.31 if lease < 1 else store.budget + 0.01
    monkeypatch.setattr(store._session.calls, "now", lambda: now() + stall)
    if script is scripts.TAKE_OVER:
        await store.claim(key, a_claim("dead"))
        await store.abandon(key, a_claim("dead"))
    make = store.claim if script is scripts.CLAIM else store.take_over
    held_back = proxy.spoil(script.sha, Fault.DELAY_REPLY, times=1)
    renewal = proxy.spoil("nothing", Fault.DELAY_REPLY)
    if meanwhile == "stalled again":
        renewal = proxy.spoil(scripts.RENEW.sha, Fault.DELAY_REPLY, times=1)
    claiming = asyncio.create_task(make(key, a_claim("stalled", lease=lease)))
    await has_record(store, client, key, "stalled")
    if meanwhile == "taken over":
        taken = codec.in_progress(a_claim("other")) + b"0" * 19
        await client.set(store._name(key), taken, px=1_000_000)
    stall = late
    held_back.delayed.set()
    if meanwhile == "nothing":
        assert await claiming == Claimed()
        return
    if meanwhile == "stalled again":
        async with asyncio.timeout(5):
            await renewal.happened.wait()
        stall += late
        renewal.delayed.set()
    with pytest.raises(StoreUnavailable, match="too late"):
        await claiming
    await withdrawn(store)
    stall = 0.0
    seen = await store.claim(key, a_claim("b"))
    if meanwhile == "taken over":
        assert isinstance(seen, Held)
        assert not seen.abandoned
    elif script is scripts.TAKE_OVER:
        assert isinstance(seen, Held)
        assert seen.abandoned
    else:
        assert seen == Claimed()


async def has_record(store: RedisStore, client: Redis, key: Key, owner: str) -> None:
    header = codec.header(b"P", a_claim(owner).owner)
    while await client.getrange(store._name(key), 0, 17) != header:
        pass


async def test_a_claim_in_doubt_is_withdrawn_at_once(
    proxy: Proxy, client: Redis, key: Key
) -> None:
    """And not only when nothing of it can come any more."""
    store = RedisStore.from_url(proxy.url, budget=60.0)
    held_back = proxy.spoil(scripts.CLAIM.sha, Fault.DELAY_REPLY, times=1)
    claiming = asyncio.create_task(store.claim(key, a_claim("ghost")))
    await has_record(store, client, key, "ghost")
    claiming.cancel()
    held_back.delayed.set()
    async with asyncio.timeout(10):
        while await client.exists(store._name(key)):
            pass
    ghosts = store._session.claims._ghosts
    assert ghosts._ghosts, "it may still come"
    assert ghosts._task is not None
    ghosts._task.cancel()
    await store.aclose()


async def test_closing_waits_until_nothing_of_a_claim_can_come(
    proxy: Proxy, client: Redis, key: Key
) -> None:
    """However long the budget is: this one arrives after it was withdrawn."""
    store = RedisStore.from_url(proxy.url, budget=2.4)
    await store.check()
    proxy.late = 2.1
    late = proxy.spoil(scripts.CLAIM.sha, Fault.LATE_REQUEST, times=1)
    claiming = asyncio.create_task(store.claim(key, a_claim("ghost")))
    await late.happened.wait()
    claiming.cancel()
    await asyncio.wait([claiming])
    closing = asyncio.create_task(store.aclose())
    await has_record(store, client, key, "ghost")
    await closing
    assert not await client.exists(store._name(key))


async def test_a_clock_that_is_set_back_delays_no_withdrawal(
    store: RedisStore,
    proxy: Proxy,
    client: Redis,
    key: Key,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A claim comes a second time, and by the server's clock it may for an hour."""
    held_back = proxy.spoil(scripts.CLAIM.sha, Fault.DELAY_REPLY, times=1)
    claiming = asyncio.create_task(store.claim(key, a_claim("ghost")))
    await has_record(store, client, key, "ghost")
    set_back(monkeypatch, 3_600_000)
    claiming.cancel()
    held_back.delayed.set()
    name, record = store._name(key), codec.in_progress(a_claim("ghost"))
    async with asyncio.timeout(5):
        while await client.exists(name):
            pass
        await client.eval(scripts.CLAIM.source, 1, name, record, 1_000_000, 10**15, 20)
        while await client.exists(name):
            pass
    ghosts = store._session.claims._ghosts
    assert ghosts._task is not None
    ghosts._task.cancel()


def set_back(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    read = Endpoint.read_clock

    async def earlier(endpoint: Endpoint, line: Line, until: float) -> None:
        await read(endpoint, line, until)
        endpoint.offset -= milliseconds

    monkeypatch.setattr(Endpoint, "read_clock", earlier)


async def test_two_thousand_claims_at_once_share_one_connection(
    valkey_server: RedisServer, client: Redis
) -> None:
    before = len(await client.client_list())
    store = RedisStore.from_url(valkey_server.url, budget=10.0)
    claiming = [store.claim(a_key(), a_claim(f"owner-{n}")) for n in range(2_000)]
    assert await asyncio.gather(*claiming) == [Claimed()] * 2_000
    assert not store._session.claims._ghosts._ghosts
    assert len(await client.client_list()) == before + 1
    await store.aclose()
