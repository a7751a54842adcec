"""A paid API behind the middleware, and its books: what was started, and what answered.

The books are kept here and not in the store, so that they tell what the store forgot.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from secrets import token_hex
from typing import Any

from origin_middleware import IdempotencyMiddleware, Policy, drain
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import KEY, Connection, chunk, request, start
from tests.support.topologies import Topology

# A completion that was lost leaves a lease, which somebody has to outwait.
_LEASE, _PATIENCE = 6.0, 12.0

# Of a machine that has other things to do.
_BUDGET = 3.0


class Shop:
    """Two processes that sell the same, as far as a store can tell."""

    def __init__(self, stores: Iterable[RedisStore]) -> None:
        policy = Policy(lease=_LEASE, patience=_PATIENCE)
        self._fronts = [
            IdempotencyMiddleware(self._sell, store=store, policy=policy)
            for store in stores
        ]
        self._serial = count()
        self._changed = asyncio.Event()
        self.started: Counter[str] = Counter()
        self.answers: dict[str, list[Connection]] = defaultdict(list)
        self._gated: set[str] = set()
        self.gate = asyncio.Event()

    async def ask(self, key: str, front: int = 0) -> Connection:
        answer = await request(self._fronts[front], key=key.encode())
        self.answers[key].append(answer)
        self._changed.set()
        return answer

    async def in_the_middle(self, *keys: str) -> "asyncio.Future[list[Connection]]":
        """Handlers have been started for these, and stop before their answers until
        `gate` is set. Duplicates of all wait at the other front.
        """
        self._gated.update(keys)
        asked = [asyncio.create_task(self.ask(key)) for key in keys]
        while not all(self.started[key] for key in keys):
            self._changed.clear()
            await self._changed.wait()
            assert not any(key in self.answers for key in keys), "answered too early"
        return asyncio.gather(*asked, *(self.ask(key, 1) for key in keys))

    async def ask_until(self, event: Awaitable[None]) -> None:
        """Fresh keys, at both fronts, until it has happened and once more."""
        happened = asyncio.ensure_future(event)
        over = False
        while not over:
            over = happened.done()
            keys = [token_hex(8) for _ in range(4)]
            await asyncio.gather(
                *(self.ask(k, front) for k in keys for front in (0, 1))
            )
        happened.result()

    async def _sell(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope["headers"])[KEY].decode()
        self.started[key] += 1
        self._changed.set()
        if key in self._gated:
            await self.gate.wait()
        await send(start())
        await send(chunk(f"{key}: number {next(self._serial)}".encode()))


@asynccontextmanager
async def shop(topology: Topology, **options: Any) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(2):
            client = await stack.enter_async_context(topology.client())
            store = RedisStore(client, budget=_BUDGET, **options)
            stack.push_async_callback(store.aclose)
            stores.append(store)
        selling = Shop(stores)
        try:
            yield selling
        finally:
            selling.gate.set()
            await drain()


async def nothing_happened_twice(shop: Shop) -> None:
    """Faults have stopped, so every key is asked for once more."""
    again = await asyncio.gather(*(shop.ask(key) for key in list(shop.answers)))
    refusals = {answer.code for answer in again if answer.status != 200}
    assert refusals <= {"outcome-unknown"}, refusals
    twice = {key for key, times in shop.started.items() if times > 1}
    assert not twice, twice
    for key, answers in shop.answers.items():
        bodies = {answer.body for answer in answers if answer.status == 200}
        assert len(bodies) <= 1, key
        assert not bodies or shop.started[key] == 1
