"""Counted where they pass: what a request costs in round trips, commands and memory."""

from collections.abc import AsyncIterator
from secrets import token_hex

import pytest
from redis.asyncio import Redis

from origin_middleware import IdempotencyMiddleware
from origin_middleware.record import Claimed, Completed, Evidence, Finished, Recorded
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.bodies import LARGE
from tests.origin_middleware.stores.topologies.names import record_name
from tests.support import asgi
from tests.support.asgi import App, chunk, start
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.stores import PATIENT, a_claim, a_key

CLAIM = f"EVALSHA {scripts.CLAIM.sha}"
COMPLETE = f"EVALSHA {scripts.COMPLETE.sha}"

# Of a record, over the body: what the server needs for any key, and what we add.
_OVERHEAD = 450


@pytest.fixture
async def proxy(valkey_server: RedisServer) -> AsyncIterator[Proxy]:
    async with (
        Redis.from_url(valkey_server.url) as admin,
        Proxy(valkey_server.port) as proxy,
    ):
        for script in (scripts.CLAIM, scripts.COMPLETE, scripts.WATCH):
            await admin.script_load(script.source)
        yield proxy


@pytest.fixture
async def store(proxy: Proxy) -> AsyncIterator[RedisStore]:
    """With its connections made, also the one for large responses."""
    store = RedisStore.from_url(proxy.url, budget=PATIENT)
    key = a_key()
    await store.complete(key, a_claim(), Completed(b"." * (LARGE + 1)))
    await store.claim(key, a_claim())
    proxy.count_anew()
    yield store
    await store.aclose()


async def test_a_claim_is_one_round_trip(proxy: Proxy, store: RedisStore) -> None:
    assert await store.claim(a_key(), a_claim()) == Claimed()
    assert proxy.commands == {CLAIM: 1}
    assert proxy.round_trips == 1


@pytest.mark.parametrize("size", [0, 1024, LARGE // 2, LARGE])
async def test_a_completion_is_one_round_trip(
    proxy: Proxy, store: RedisStore, size: int
) -> None:
    key = a_key()
    await store.claim(key, a_claim())
    proxy.count_anew()
    told = await store.complete(key, a_claim(), Completed(b"." * size))
    assert told == Recorded(Evidence.OWNED)
    assert proxy.commands == {COMPLETE: 1}
    assert proxy.round_trips == 1


@pytest.mark.parametrize("size", [0, 1024, LARGE // 2, LARGE])
async def test_a_replay_is_one_round_trip(
    proxy: Proxy, store: RedisStore, size: int
) -> None:
    key, outcome = a_key(), Completed(b"." * size)
    await store.complete(key, a_claim("a"), outcome)
    proxy.count_anew()
    seen = await store.claim(key, a_claim("b"))
    assert seen == Finished(a_claim().fingerprint, outcome)
    assert proxy.commands == {CLAIM: 1}
    assert proxy.round_trips == 1


@pytest.mark.parametrize("size", [LARGE + 1, 1_048_576])
async def test_a_large_completion_is_one_round_trip_of_two_commands(
    proxy: Proxy, store: RedisStore, size: int
) -> None:
    key = a_key()
    await store.claim(key, a_claim())
    proxy.count_anew()
    await store.complete(key, a_claim(), Completed(b"." * size))
    assert proxy.commands == {"SET": 1, COMPLETE: 1}
    assert proxy.round_trips == 1


async def test_a_large_replay_is_two_round_trips(
    proxy: Proxy, store: RedisStore
) -> None:
    key = a_key()
    await store.complete(key, a_claim(), Completed(b"." * 1_048_576))
    proxy.count_anew()
    await store.claim(key, a_claim("b"))
    assert proxy.commands == {CLAIM: 1, "GET": 1}
    assert proxy.round_trips == 2


async def test_a_request_is_two_round_trips_and_its_retry_one(
    proxy: Proxy, store: RedisStore
) -> None:
    app, key = IdempotencyMiddleware(App(), store=store), a_key().encode()
    await asgi.request(app, key=key)
    assert proxy.commands == {CLAIM: 1, COMPLETE: 1}
    assert proxy.round_trips == 2
    proxy.count_anew()
    await asgi.request(app, key=key)
    assert proxy.commands == {CLAIM: 1}
    assert proxy.round_trips == 1


async def test_a_request_without_a_key_asks_nothing(
    proxy: Proxy, store: RedisStore
) -> None:
    await asgi.request(IdempotencyMiddleware(App(), store=store), key=None)
    assert not proxy.commands


@pytest.mark.parametrize(
    "server", ["valkey_server", "redis_7_server", "redis_6_2_server"]
)
async def test_a_record_takes_little_more_than_its_body(
    server: str, request: pytest.FixtureRequest
) -> None:
    found: RedisServer = request.getfixturevalue(server)
    body = token_hex(512).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    store, key = RedisStore.from_url(found.url, budget=PATIENT), token_hex(8)
    app = IdempotencyMiddleware(App(start(200, headers), chunk(body)), store=store)
    await asgi.request(app, key=key.encode())
    async with Redis.from_url(found.url) as admin:
        used = await admin.memory_usage(record_name(key))
    assert used is not None
    assert len(body) < used <= len(body) + _OVERHEAD
    await store.aclose()
