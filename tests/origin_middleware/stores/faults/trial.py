"""A paid API whose store is behind a proxy: one key, and the books of what happened.

The books are kept here and not in the store, so that they tell what the store forgot.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_hex

from origin_middleware import IdempotencyMiddleware, Policy, attempt_of
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import Connection, chunk, request, start
from tests.support.proxy import Proxy, Spoiled

from .clocked import clocked

BUDGET = 1.0

# After a fault has stopped: ghosts wait for their not-after instant, and are withdrawn.
_WITHDRAWN_WITHIN = 4 * BUDGET

_REPLAYED = (b"idempotent-replayed", b"true")


class HandlerFailed(Exception):
    """The handler reported failure; so it may be run again."""


class OutcomeUnknown(HandlerFailed):
    """It does not know whether it did something; so it is not run again by itself."""


@dataclass(frozen=True)
class Selling:
    """What the handler does, and what is done about it."""

    policy: Policy
    size: int = 0
    """Of the response."""
    failure: type[HandlerFailed] | None = None
    """The first execution ends with it."""


class Trial:
    """Two processes, as far as the server can tell, and a proxy before one of them."""

    def __init__(
        self,
        proxy: Proxy,
        elsewhere: RedisStore,
        selling: Selling,
        spoil: Callable[[], Spoiled],
        pace: float,
    ) -> None:
        """`elsewhere` is the other process's store. `spoil` begins the fault. A time
        limit is `pace` times as long as on an idle machine.
        """
        self.key = token_hex(16)
        self.pace = pace
        self.proxy = proxy
        self.spoil = spoil
        # Before 8.0 redis-py says HELLO, which is spoiled, only for the protocol 3.
        url = f"{proxy.url}?protocol=3"
        self.store = RedisStore.from_url(url, budget=BUDGET * pace)
        self.calls = clocked(self.store)
        self._selling = selling
        policy = replace(
            selling.policy,
            lease=selling.policy.lease * pace,
            patience=selling.policy.patience * pace,
        )
        self._fronts = [
            IdempotencyMiddleware(self._sell, store=store, policy=policy)
            for store in (self.store, elsewhere)
        ]
        self.started = 0
        self.bodies: set[bytes] = set()
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self) -> str:
        """What the client is told; "raised" where its server would say 500."""
        return await self._asked(self._fronts[0])

    async def ask_elsewhere(self) -> str:
        return await self._asked(self._fronts[1])

    async def ask_afterwards(self) -> str:
        self.proxy.spoil_nothing()
        return await self.ask()

    async def end(self) -> None:
        """Everything that goes on by itself has to come to its end."""
        async with asyncio.timeout(_WITHDRAWN_WITHIN * self.pace):
            for front in self._fronts:
                await front._runtime.drain()
            while self.store._session.claims._ghosts._ghosts:
                task = self.store._session.claims._ghosts._task
                assert task is not None
                await task
        assert not self.store._session.claims._in_doubt
        await self.store.aclose()
        async with asyncio.timeout(self.pace):
            await self.proxy.deserted()

    async def _asked(self, front: IdempotencyMiddleware) -> str:
        try:
            answer = await request(front, key=self.key.encode())
        except HandlerFailed:
            return "raised"
        if answer.status == 200:
            self.bodies.add(answer.body)
        return told(answer)

    async def _sell(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started += 1
        self.entered.set()
        await self.gate.wait()
        if self._selling.failure is not None and self.started == 1:
            self._fail(scope, self._selling.failure)
        body = b"%s, execution %d" % (self.key.encode(), self.started)
        await send(start(200, [(b"content-type", b"text/plain")]))
        await send(chunk(body.ljust(self._selling.size, b".")))

    def _fail(self, scope: Scope, failure: type[HandlerFailed]) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        if failure is OutcomeUnknown:
            attempt.outcome_unknown()
        raise failure


def told(answer: Connection) -> str:
    """Served, replayed, or why it was refused."""
    if answer.status >= 400:
        return answer.code
    assert answer.status == 200
    return "replayed" if _REPLAYED in answer.headers else "served"
