"""Faults of the store that the proxy has shown."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from redis.asyncio import Connection, Redis
from redis.credentials import CredentialProvider

from origin_middleware import IdempotencyMiddleware, Policy, StoreUnavailable
from origin_middleware.record import Completed, Evidence, Held, Recorded
from origin_middleware.stores.redis import RedisStore, scripts, wakeups
from origin_middleware.stores.redis.bodies import LARGE
from tests.support.asgi import App, chunk, request, start
from tests.support.machine import Stalls
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer
from tests.support.stores import OwnConnection, a_claim, a_key, subscribed

pytestmark = pytest.mark.slow

BUDGET = 0.5  # on an idle machine
BODY = b"." * (LARGE + 1)


@pytest.fixture
async def client(own_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(own_server.url) as client:
        for script in (scripts.CLAIM, scripts.COMPLETE):
            await client.script_load(script.source)
        yield client


@pytest.fixture
async def proxy(own_server: RedisServer, client: Redis) -> AsyncIterator[Proxy]:
    async with Proxy(own_server.port) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, pace: float) -> AsyncIterator[RedisStore]:
    # Before 8.0 redis-py says HELLO, which is spoiled, only for the protocol 3.
    url = f"{proxy.url}?protocol=3"
    store = RedisStore.from_url(url, budget=BUDGET * pace)
    yield store
    await store.aclose()


async def test_no_record_points_to_a_body_for_which_there_was_no_room(
    store: RedisStore, client: Redis
) -> None:
    """A small script fits where a large body does not."""
    key, body = a_key(), b"." * 3_000_000
    await store.claim(key, a_claim())
    used = (await client.info("memory"))["used_memory"]
    await client.config_set("maxmemory", used + 4_000_000)
    with pytest.raises(StoreUnavailable):
        await store.complete(key, a_claim(), Completed(body))
    assert isinstance(await store.claim(key, a_claim("b")), Held)
    await client.config_set("maxmemory", 0)
    await store.complete(key, a_claim(), Completed(body))


async def test_a_server_that_is_busy_is_asked_for_its_settings_again(
    store: RedisStore, proxy: Proxy, client: Redis
) -> None:
    """Or one that evicts, or came back empty, would be trusted."""
    await client.config_set("maxmemory-policy", "allkeys-lru")
    busy = proxy.spoil("INFO", "BUSY Redis is busy running a script.", times=1)
    with pytest.raises(StoreUnavailable, match="allkeys-lru"):
        await store.claim(a_key(), a_claim())
    assert busy.fired == 1


async def test_a_subscription_that_fell_silent_is_replaced(
    store: RedisStore,
    proxy: Proxy,
    own_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No reset tells of it, as when a router has forgotten the connection."""
    monkeypatch.setattr(wakeups, "_IDLE", 0.1)
    await subscribed(store)
    proxy.swallow()
    proxy.swallow_nothing()
    await proxy.has_come("SUBSCRIBE", 2)
    await store.aclose()
    await proxy.deserted()


async def test_a_subscription_that_does_not_come_about_is_tried_again(
    store: RedisStore, proxy: Proxy
) -> None:
    await store.check()
    lost = proxy.spoil("HELLO", Fault.LOSE_REPLY, times=1)
    assert not await store._session.wakeups.channel()
    assert lost.fired == 1
    await proxy.has_come("SUBSCRIBE", 1)
    await store.aclose()
    await proxy.deserted()


async def test_a_refused_subscription_is_told_once_and_tried_less_and_less_often(
    store: RedisStore,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(wakeups, "_RECONNECT", 0.01)
    await store.check()
    proxy.spoil("SUBSCRIBE", "NOPERM this user has no permissions to run 'subscribe'")
    assert not await store._session.wakeups.channel()
    begun = time.monotonic()
    assert not await store._session.wakeups.channel()
    assert time.monotonic() - begun < 0.2  # it is known, so nobody waits for it
    tries = proxy.commands["SUBSCRIBE"]
    await proxy.has_come("SUBSCRIBE", tries + 2)
    pauses = 0.01 * 2**tries + 0.01 * 2 ** (tries + 1)
    assert time.monotonic() - begun > pauses / 2
    (line,) = [line for line in caplog.messages if "Wake-ups" in line]
    assert "NoPermissionError: this user has no permissions" in line
    proxy.spoil_nothing()
    key = a_key()
    async with asyncio.timeout(30):
        while not await store._session.wakeups.channel():
            await store.claim(key, a_claim())  # until it was allowed again, and tried


async def test_where_hello_is_refused_the_message_says_how_to_do_without(
    proxy: Proxy,
) -> None:
    store = RedisStore.from_url(f"{proxy.url}?protocol=3", budget=BUDGET)
    proxy.spoil("HELLO", "ERR unknown command 'HELLO', with args beginning with: '3'")
    with pytest.raises(StoreUnavailable, match=r"unknown command.*\?protocol=2"):
        await store.check()
    without = RedisStore.from_url(f"{proxy.url}?protocol=2", budget=BUDGET)
    await without.check()
    await store.aclose()
    await without.aclose()


async def test_a_replay_of_a_large_response_costs_one_budget(
    store: RedisStore, proxy: Proxy, pace: float, stalls: Stalls
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY))
    proxy.spoil(scripts.CLAIM.sha, Fault.LOSE_REPLY, times=1)
    proxy.spoil("GET", Fault.LOSE_REPLY)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.claim(key, a_claim("b"))
    assert time.monotonic() - begun - stalls.seconds <= (BUDGET + 0.1) * pace


async def test_a_completion_that_came_second_costs_one_budget(
    store: RedisStore, proxy: Proxy, pace: float, stalls: Stalls
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(BODY))
    for command in ("UNLINK", "GET"):
        proxy.spoil(command, Fault.LOSE_REPLY)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.complete(key, a_claim("b"), Completed(BODY))
    assert time.monotonic() - begun - stalls.seconds <= (BUDGET + 0.1) * pace


async def test_a_completed_request_whose_response_cannot_be_read_does_not_run_again(
    store: RedisStore, proxy: Proxy
) -> None:
    """The policy is for claims that could not be made; this one was answered."""
    policy = Policy(on_store_unavailable="execute")
    inner = App(start(), chunk(BODY))
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    await request(app)
    proxy.spoil("GET", Fault.LOSE_REPLY)
    assert (await request(app)).code == "store-unavailable"
    assert inner.executions == 1


@pytest.mark.parametrize("connection_class", [Connection, OwnConnection])
async def test_passwords_that_cannot_be_had_are_an_outage(
    own_server: RedisServer, connection_class: type[Connection]
) -> None:
    """Not an error of the app, which a client would see as 500."""
    client = Redis.from_url(
        own_server.url, credential_provider=Away(), connection_class=connection_class
    )
    store = RedisStore(client, budget=BUDGET)
    with suppress(StoreUnavailable):
        await store.claim(a_key(), a_claim())
    await store._session.wakeups.channel()
    listening = store._session.wakeups._task
    assert listening is not None
    assert not listening.done()
    await store.aclose()
    await client.aclose()


class Away(CredentialProvider):
    def get_credentials(self) -> tuple[str]:
        raise ValueError("no token today")


async def test_closing_does_not_mind_who_comes_meanwhile(store: RedisStore) -> None:
    """Here with the first large response, which needs a line of its own."""
    await store.claim(a_key(), a_claim())
    completing = asyncio.create_task(
        store.complete(a_key(), a_claim(), Completed(BODY))
    )
    await store.aclose()
    assert await completing == Recorded(Evidence.CLAIM_LOST)


async def test_a_pool_that_met_silence_asks_anew_what_the_server_is(
    proxy: Proxy, own_server: RedisServer
) -> None:
    """redis-py gives up the connection, and opens the next one without a word."""
    client = Redis.from_url(proxy.url, connection_class=OwnConnection)
    store = RedisStore(client, budget=BUDGET)
    await store.check()
    proxy.swallow()
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await store.claim(a_key(), a_claim())
    own_server.kill()
    shutil.rmtree(own_server._directory / "appendonlydir")
    own_server.start()
    proxy.swallow_nothing()
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await store.claim(a_key(), a_claim())
    await store.aclose()
    await client.aclose()
