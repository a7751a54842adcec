"""A store that several event loops use: a live server in a thread, beside a test."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from origin_middleware.record import Claimed, Completed, Finished, Held
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer
from tests.support.stores import PATIENT, a_claim, a_key, subscribed

# For a thread whose event loop would go on for ever.
_LONG_ENOUGH = 30.0


class AnotherLoop:
    """In a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
async def client(valkey_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_server.url) as client:
        yield client


async def test_loops_that_take_turns_have_a_connection_each(
    valkey_server: RedisServer, client: Redis
) -> None:
    store, key = RedisStore.from_url(valkey_server.url), a_key()
    before = len(await client.client_list())
    with closing(AnotherLoop()) as there:
        for n in range(20):
            here, other = a_key(), a_key()
            assert await store.claim(here, a_claim()) == Claimed()
            assert await there.run(store.claim(other, a_claim(f"{n}"))) == Claimed()
        assert len(await client.client_list()) == before + 2
        await store.claim(key, a_claim("a"))
        held = await there.run(store.claim(key, a_claim("b")))
        assert isinstance(held, Held)
        waiting = asyncio.ensure_future(there.run(store.wait(key, held, 5)))
        await store.complete(key, a_claim("a"), Completed(b"done"))
        assert isinstance(await waiting, Finished)
        await there.run(store.aclose())
        assert await store.claim(a_key(), a_claim()) == Claimed()
    await store.aclose()


async def test_what_belonged_to_a_loop_that_was_closed_is_forgotten(
    valkey_server: RedisServer,
) -> None:
    store = RedisStore.from_url(valkey_server.url)
    for _ in range(3):
        with closing(AnotherLoop()) as there:
            await there.run(store.claim(a_key(), a_claim()))
            await there.run(store.aclose())
    await store.claim(a_key(), a_claim())
    assert list(store._sessions) == [asyncio.get_running_loop()]
    await store.aclose()


def begun(work: Callable[[], None]) -> Callable[[], bool]:
    """In a thread that nobody has to wait for; to be asked whether it ends."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def ends() -> bool:
        thread.join(_LONG_ENOUGH)
        return not thread.is_alive()

    return ends


async def wait_in_vain(store: RedisStore) -> None:
    """So that there is a subscription, and nothing else that is left to the loop."""
    key = a_key()
    await store.claim(key, a_claim("a"))
    held = await store.claim(key, a_claim("b"))
    assert isinstance(held, Held)
    await store.wait(key, held, 0.05)
    await subscribed(store)
    await store._session.calls.aclose()


def test_a_subscription_of_many_loops_is_neither_lost_nor_outlives_its_own(
    valkey_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="origin_middleware")
    store = RedisStore.from_url(valkey_server.url, budget=PATIENT)
    begin = threading.Barrier(8)

    def one() -> None:
        for _ in range(20):
            begin.wait()
            asyncio.run(wait_in_vain(store))

    threads = [begun(one) for _ in range(8)]
    assert all(ends() for ends in threads)
    assert "Wake-ups are interrupted" not in caplog.text


async def test_a_subscription_does_not_wait_for_another_loop(
    valkey_server: RedisServer,
) -> None:
    """A pool of redis-py has a lock, which belongs to the loop that had to wait."""
    store = RedisStore.from_url(valkey_server.url, budget=PATIENT)
    shared: asyncio.Lock = store._client.connection_pool._lock  # type: ignore[union-attr] # no cluster
    with closing(AnotherLoop()) as there:
        async with shared:
            second = asyncio.create_task(shared.acquire())
            await asyncio.sleep(0)
            await there.run(wait_in_vain(store))
        await second
        shared.release()
        await there.run(store.aclose())


def fails_as_it_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    close = PubSub.aclose

    async def fail(self: PubSub) -> None:
        await close(self)  # type: ignore[no-untyped-call] # redis-py's gap
        raise RuntimeError("the lock is bound to a different event loop")

    monkeypatch.setattr(PubSub, "aclose", fail)


def takes_a_cancellation_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    read, taken = PubSub.get_message, list[None]()

    async def swallow(self: PubSub, timeout: float) -> Any:
        try:
            return await read(self, timeout=timeout)
        except asyncio.CancelledError:
            if taken:
                raise
            taken.append(None)
            return None

    monkeypatch.setattr(PubSub, "get_message", swallow)


@pytest.mark.parametrize(
    "swallows", [fails_as_it_closes, takes_a_cancellation_for_silence]
)
@pytest.mark.parametrize("how", ["with its loop", "with its store"])
def test_a_subscription_ends_whatever_redis_py_makes_of_it(
    swallows: Callable[[pytest.MonkeyPatch], None],
    how: str,
    valkey_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = RedisStore.from_url(valkey_server.url, budget=PATIENT)

    async def use() -> None:
        await wait_in_vain(store)
        if how == "with its store":
            await store.aclose()

    swallows(monkeypatch)
    assert begun(lambda: asyncio.run(use()))()
