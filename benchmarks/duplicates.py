"""Many requests with one key at the same time, in the process of a row."""

import asyncio
import time
from collections import Counter
from typing import TypedDict

from benchmarks.app import Handlers
from benchmarks.client import Call, Client
from benchmarks.timing import new_key

_STORM_ANSWERED_WITHIN = 60.0
_ANSWERED_WITHIN = 10.0


class Storm(TypedDict):
    executions: int
    answered: int
    """How many got the answer of the execution."""
    outcomes: dict[str, int]
    seconds: float


class Arrival(TypedDict):
    outcome: str
    executions: int
    at: float
    """On the clock that all processes of a machine share."""


async def storm(client: Client, handlers: Handlers, duplicates: int) -> Storm:
    """Raises TimeoutError."""
    warm = (client.ask("/1KiB", new_key()) for _ in range(duplicates))
    await asyncio.gather(*warm)  # opens the connections
    key, before = new_key(), handlers.executions["/slow"]
    begun = time.perf_counter()
    async with asyncio.timeout(_STORM_ANSWERED_WITHIN):
        answers = await asyncio.gather(
            *(client.ask("/slow", key) for _ in range(duplicates))
        )
    return Storm(
        seconds=time.perf_counter() - begun,
        executions=handlers.executions["/slow"] - before,
        answered=_answered(answers),
        outcomes=Counter(answer.outcome for answer in answers),
    )


def _answered(answers: list[Call]) -> int:
    bodies = Counter(answer.body for answer in answers if answer.status == 200)
    return max(bodies.values(), default=0)


class Pair:
    """One of two processes with the same key: the one that executes, or the other."""

    def __init__(self, client: Client, handlers: Handlers) -> None:
        self._client = client
        self._handlers = handlers
        self._task: asyncio.Task[Arrival] | None = None

    async def lead(self, key: str) -> None:
        """Return once the handler runs; it ends with `let_go`. Raises TimeoutError."""
        self.follow(key)
        async with asyncio.timeout(_ANSWERED_WITHIN):
            await self._handlers.begun.wait()

    def follow(self, key: str) -> None:
        self._handlers.begun.clear()
        self._handlers.let_go.clear()
        self._task = asyncio.create_task(self._ask(key.encode()))

    async def let_go(self) -> float:
        """When the handler completed."""
        await self.arrived()
        return self._handlers.ended_at

    async def arrived(self) -> Arrival:
        """Raises TimeoutError."""
        assert self._task is not None, "nothing was asked"
        self._handlers.let_go.set()  # a follower that executes has to end as well
        async with asyncio.timeout(_ANSWERED_WITHIN):
            return await self._task

    async def _ask(self, key: bytes) -> Arrival:
        before = self._handlers.executions["/held"]
        answer = await self._client.ask("/held", key)
        at = time.monotonic()
        executions = self._handlers.executions["/held"] - before
        return Arrival(outcome=answer.outcome, executions=executions, at=at)
