"""A store that several event loops use: a live server in a thread, beside a test."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from typing import Any

import pytest
from redis.asyncio import Redis

from origin_middleware.record import Claimed, Completed, Finished, Held
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer
from tests.support.stores import a_claim, a_key


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
