"""Claims that arrive when their senders have given up."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from origin_middleware import StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.claims import CLAIM, TAKE_OVER, Kind
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer
from tests.support.stores import a_claim, a_key

pytestmark = pytest.mark.slow

BUDGET = 0.6  # on an idle machine


@pytest.fixture
async def proxy(valkey_server: RedisServer) -> AsyncIterator[Proxy]:
    async with (
        Redis.from_url(valkey_server.url) as admin,
        Proxy(valkey_server.port) as proxy,
    ):
        for script in (scripts.CLAIM, scripts.TAKE_OVER):
            await admin.script_load(script.source)
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, pace: float) -> AsyncIterator[RedisStore]:
    proxy.late *= pace
    store = RedisStore.from_url(proxy.url, budget=BUDGET * pace)
    await store.check()
    yield store
    await store.aclose()


async def everything_has_arrived(store: RedisStore, proxy: Proxy) -> None:
    assert store._session.claims._ghosts._task is not None
    await store._session.claims._ghosts._task
    await store.aclose()
    await proxy.deserted()


@pytest.mark.parametrize("kind", [CLAIM, TAKE_OVER], ids=["claim", "take over"])
async def test_a_claim_that_arrives_after_its_withdrawal_executes_nothing(
    store: RedisStore, proxy: Proxy, pace: float, kind: Kind
) -> None:
    """The server looks at its clock."""
    key, proxy.late = a_key(), 3 * BUDGET * pace
    make = store.claim
    if kind is TAKE_OVER:
        make = store.take_over
        await store.claim(key, a_claim("dead"))
        await store.abandon(key, a_claim("dead"))
    before = await store.look(key)
    late = proxy.spoil(kind.script.sha, Fault.LATE_REQUEST)
    with pytest.raises(StoreUnavailable):
        await make(key, a_claim())
    proxy.spoil_nothing()
    await everything_has_arrived(store, proxy)
    assert late.fired >= 1
    after = await store.look(key)
    assert (after and after.owner) == (before and before.owner)
    if kind is CLAIM:
        assert await store.claim(key, a_claim("another")) == Claimed()


async def test_a_claim_that_is_refused_is_withdrawn_when_nothing_of_it_can_come(
    store: RedisStore, proxy: Proxy
) -> None:
    """The first attempt is still on its way when the second one is refused for good."""
    key = a_key()
    late = proxy.spoil(scripts.CLAIM.sha, Fault.LATE_REQUEST, times=1)
    proxy.spoil(scripts.CLAIM.sha, "OOM command not allowed", times=1)
    loop, begun = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="OOM"):
        await store.claim(key, a_claim())
    assert loop.time() - begun < proxy.late, "the first one is there already"
    await everything_has_arrived(store, proxy)
    assert late.fired == 1
    assert await store.claim(key, a_claim("another")) == Claimed()
