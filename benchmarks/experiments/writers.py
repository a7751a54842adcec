"""Clients that write records as fast as they can, and know what was acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from secrets import token_bytes, token_hex
from typing import Any, TypeVar

from origin_middleware import Store, StoreUnavailable
from origin_middleware.key import Key
from origin_middleware.record import (
    Answer,
    Claim,
    Claimed,
    Completed,
    Fingerprint,
    Held,
    OwnerToken,
)
from origin_middleware.stores.redis import RedisStore
from tests.support.topologies import Node

T = TypeVar("T")

AT_ONCE = 32
SMALL = 1024  # bytes of a body
_FINGERPRINT = Fingerprint(b"f" * 32)
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Of keys that were claimed. A retry would run the handler of what is gone again,
    and find the outcome of what has gone back unknown.
    """

    acknowledged: int
    gone: int
    gone_back: int


class Writers:
    """Claims, and their completions with a body of so many bytes."""

    def __init__(self, store: Store, body: int) -> None:
        self._store = store
        self._outcome = Completed(b"x" * body)
        self._keys = (Key(f"{token_hex(4)}-{n}") for n in count())
        self._stopped = False
        self._acknowledged = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write()) for _ in range(AT_ONCE)]
        self.claimed: list[Key] = []
        self.completed: set[Key] = set()
        self.refused = 0

    async def reach(self, claims: int) -> None:
        while len(self.claimed) < claims:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def loss(self, store: Store) -> Loss:
        """What a retry of every key would find now."""
        gone = gone_back = 0

        async def look(key: Key) -> None:
            nonlocal gone, gone_back
            answer = await _insist(lambda: store.claim(key, a_claim()))
            gone += isinstance(answer, Claimed)
            gone_back += isinstance(answer, Held) and key in self.completed

        await at_once(look, self.claimed)
        return Loss(len(self.claimed), gone, gone_back)

    async def _write(self) -> None:
        while not self._stopped:
            key, claim = next(self._keys), a_claim()
            try:
                await self._store.claim(key, claim)
                self.claimed.append(key)
                self._acknowledged.set()
                await self._store.complete(key, claim, self._outcome)
                self.completed.add(key)
            except StoreUnavailable:
                self.refused += 1


@asynccontextmanager
async def a_store(node: Node, **options: Any) -> AsyncIterator[RedisStore]:
    """It does not check the server's settings, because they are what is measured."""
    url = node.process.url
    store = RedisStore.from_url(url, on_eviction="warn", quarantine=0, **options)
    yield store
    await store.aclose()


def a_claim() -> Claim:
    return Claim(OwnerToken(token_bytes(16)), _FINGERPRINT, 10.0, _DAY)


async def at_once(
    act: Callable[[T], Awaitable[None]], items: Iterable[T], workers: int = AT_ONCE
) -> None:
    left = iter(items)

    async def work() -> None:
        for item in left:
            await act(item)

    await asyncio.gather(*(work() for _ in range(workers)))


async def _insist(claim: Callable[[], Awaitable[Answer]]) -> Answer:
    """Connections may not have noticed yet that the fault is over."""
    while True:
        try:
            return await claim()
        except StoreUnavailable:
            await asyncio.sleep(0.1)
