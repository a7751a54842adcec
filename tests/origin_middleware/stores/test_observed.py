"""What the observers of a store are told."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from origin_middleware import ConfigurationError, StoreError
from origin_middleware.events import StoreCalled
from origin_middleware.record import Completed
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer
from tests.support.stores import PATIENT, a_claim, a_key

Told = list[StoreCalled]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def store(own_server: RedisServer, told: Told) -> AsyncIterator[RedisStore]:
    url = own_server.url
    store = RedisStore.from_url(url, budget=PATIENT, observer=[told.append])
    yield store
    await store.aclose()


async def test_every_call_is_told_with_its_time(store: RedisStore, told: Told) -> None:
    key, claim = a_key(), a_claim()
    await store.check()
    await store.claim(key, claim)
    await store.renew(key, claim)
    await store.begin_effects(key, claim)
    await store.complete(key, claim, Completed(b"done"))
    await store.look(key)
    calls = ["check", "claim", "renew", "begin_effects", "complete", "look"]
    assert [each.operation for each in told] == calls
    assert all(0 < each.seconds < PATIENT for each in told)
    assert {each.failure for each in told} == {None}


async def test_a_call_that_fails_is_told_with_its_reason(
    own_server: RedisServer, told: Told
) -> None:
    store = RedisStore.from_url(own_server.url, budget=0.5, observer=told.append)
    own_server.pause()
    await fails(store)
    own_server.resume()
    own_server.stop()
    await fails(store)
    assert [each.failure for each in told] == ["timeout", "unreachable"]
    await store.aclose()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), "unsafe"),
        (("CONFIG", "SET", "maxmemory", "1"), "full"),
        (("ACL", "SETUSER", "default", "-eval", "-evalsha"), "denied"),
    ],
)
async def test_a_server_that_refuses_is_told_with_its_reason(
    own_server: RedisServer, told: Told, command: tuple[str, ...], reason: str
) -> None:
    async with Redis.from_url(own_server.url) as client:
        await client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's gap
    store = RedisStore.from_url(own_server.url, budget=PATIENT, observer=told.append)
    await fails(store)
    assert [each.failure for each in told] == [reason]
    await store.aclose()


async def fails(store: RedisStore) -> None:
    with pytest.raises(StoreError):
        await store.claim(a_key(), a_claim())


@pytest.mark.parametrize("observer", [5, [5], StoreCalled])
def test_an_observer_that_cannot_be_called_is_refused(observer: object) -> None:
    with pytest.raises(ConfigurationError, match="observer"):
        RedisStore.from_url("redis://127.0.0.1", observer=observer)  # type: ignore[arg-type] # the mistake under test
