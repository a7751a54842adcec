"""A server whose memory is full, and a service or a proxy that takes no large request:
what is known is written all the same.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import Connection

from origin_middleware import (
    IdempotencyMiddleware,
    StoreUnavailable,
    WriteRefused,
)
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.record import (
    Claimed,
    Completed,
    Evidence,
    Finished,
    Held,
    NotReplayable,
    Recorded,
)
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.bodies import LARGE
from tests.support.asgi import App, chunk, request, start
from tests.support.proxy import Fault, Proxy
from tests.support.servers import SERVERS, RedisServer, running
from tests.support.stores import OwnConnection, a_claim, a_key

TOO_LARGE = "ERR max request size exceeded. Limit: 1048576 bytes"


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    binary: Path | None = SERVERS[request.param]()
    if binary is None or not binary.exists():
        pytest.skip(f"{request.param} is not installed")
    with running(binary) as server:
        yield server


@pytest.fixture
async def admin(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url) as admin:
        yield admin


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore.from_url(server.url)
    yield store
    await store.aclose()


async def test_what_is_claimed_is_renewed_and_ended_in_full_memory(
    store: RedisStore, admin: Redis
) -> None:
    """Or an execution would lose its lease because others have filled the server."""
    keys = [a_key() for _ in range(4)]
    for key in keys:
        await store.claim(key, a_claim("a", lease=5))
    await admin.config_set("maxmemory", 1)
    with pytest.raises(WriteRefused, match="memory"):
        await store.claim(a_key(), a_claim())
    assert await store.renew(keys[0], a_claim("a", lease=500))
    assert await store.release(keys[1], a_claim("a"))
    assert await store.abandon(keys[2], a_claim("a"))
    told = await store.complete(keys[3], a_claim("a"), NotReplayable())
    assert told == Recorded(Evidence.OWNED)
    await admin.config_set("maxmemory", 0)
    renewed = await store.claim(keys[0], a_claim("b"))
    assert isinstance(renewed, Held)
    assert renewed.lease_left > 400
    assert await store.claim(keys[1], a_claim("b")) == Claimed()
    abandoned = await store.claim(keys[2], a_claim("b"))
    assert isinstance(abandoned, Held)
    assert abandoned.abandoned
    assert isinstance(await store.claim(keys[3], a_claim("b")), Finished)


async def test_a_duplicate_waits_in_full_memory_too(
    store: RedisStore, admin: Redis
) -> None:
    """It cannot leave word where to wake it, so it looks again."""
    key = a_key()
    await store.claim(key, a_claim("a"))
    held = await store.claim(key, a_claim("b"))
    assert isinstance(held, Held)
    await admin.config_set("maxmemory", 1)
    await store.abandon(key, a_claim("a"))
    seen = await store.wait(key, held, 5)
    assert isinstance(seen, Held)
    assert seen.abandoned


@pytest.mark.parametrize("size", [1_000, LARGE, 1_000_000])
async def test_a_response_that_does_not_fit_into_memory_is_not_replayable(
    store: RedisStore, admin: Redis, size: int
) -> None:
    inner = App(start(), chunk(b"." * size))

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await admin.config_set("maxmemory", 1)
        await inner(scope, receive, send)

    app = IdempotencyMiddleware(handler, store=store)
    before = (await admin.info("stats"))["total_net_input_bytes"]
    key = a_key().encode()
    assert (await request(app, key=key)).status == 200
    assert (await request(app, key=key)).code == "not-replayable"
    sent = (await admin.info("stats"))["total_net_input_bytes"] - before
    assert sent < 1.5 * size + 20_000
    assert not await admin.keys("*:" + "?" * 32)


@pytest.mark.parametrize("size", [1_000, LARGE, 1_000_000])
@pytest.mark.parametrize("connection_class", [Connection, OwnConnection])
async def test_a_response_that_a_service_does_not_take_is_not_replayable(
    valkey_server: RedisServer, size: int, connection_class: type[Connection]
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        client = Redis.from_url(proxy.url, connection_class=connection_class)
        store = RedisStore(client)
        word = "SET" if size > LARGE else scripts.COMPLETE.sha
        await store.complete(a_key(), a_claim(), NotReplayable())  # loads the script
        refused = proxy.spoil(word, TOO_LARGE, times=1)
        app = IdempotencyMiddleware(App(start(), chunk(b"." * size)), store=store)
        key = a_key().encode()
        assert (await request(app, key=key)).status == 200
        assert (await request(app, key=key)).code == "not-replayable"
        assert refused.fired == 1
        await store.aclose()
        await client.aclose()


async def test_a_response_for_which_a_proxy_hangs_up_is_not_replayable(
    valkey_server: RedisServer,
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        store = RedisStore.from_url(proxy.url)
        cut = proxy.spoil("SET", Fault.RESET_BEFORE)
        app = IdempotencyMiddleware(App(start(), chunk(b"." * 1_000_000)), store=store)
        key = a_key().encode()
        assert (await request(app, key=key)).status == 200
        assert (await request(app, key=key)).code == "not-replayable"
        assert cut.fired == 3
        await store.aclose()


async def test_a_connection_that_was_lost_twice_is_no_refusal(
    valkey_server: RedisServer,
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        store, key = RedisStore.from_url(proxy.url), a_key()
        proxy.spoil("SET", Fault.RESET_BEFORE, times=2)
        told = await store.complete(key, a_claim(), Completed(b"." * 1_000_000))
        assert told == Recorded(Evidence.CLAIM_LOST)
        await store.aclose()


async def test_a_connection_that_is_not_accepted_refuses_no_response(
    valkey_server: RedisServer,
) -> None:
    """Later there may be room for it."""
    async with Proxy(valkey_server.port) as proxy:
        store = RedisStore.from_url(proxy.url)
        proxy.spoil("TIME", "ERR too many connections")
        with pytest.raises(StoreUnavailable) as refused:
            await store.complete(a_key(), a_claim(), Completed(b"done"))
        assert not isinstance(refused.value, WriteRefused)
        await store.aclose()
