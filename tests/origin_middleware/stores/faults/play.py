"""Plays all trials of the matrix, many beside each other: they mostly wait."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

from redis.asyncio import Redis

from origin_middleware.stores.redis import RedisStore, scripts
from tests.origin_middleware.stores.topologies.names import record_name
from tests.support.machine import Stalls
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.stores import subscribed

from .matrix import CELLS, FAULTS, STEPS, Cell
from .trial import BUDGET, Trial

_ALWAYS = 1_000_000


class _Round(NamedTuple):
    at_once: int
    pace: float


# A trial that failed while the machine stood still is played again, with fewer beside
# it and more time: what failed was perhaps not the store, which gives up a connection
# that is not there after a quarter of a second.
_STOOD_STILL = 0.1
_ROUNDS = [_Round(32, 1), _Round(16, 2), _Round(8, 4), _Round(4, 6)]


@dataclass(frozen=True)
class Outcome:
    told: list[str]
    fired: int
    started: int
    bodies: set[bytes]
    slowest: tuple[float, str]
    """In seconds of an idle machine."""
    expires: bool
    left: list[str]
    """Tasks that go on."""


Verdict = Callable[[Cell, Outcome], None]
"""Raises AssertionError."""


async def play_all(
    server: RedisServer, verdict: Verdict
) -> dict[Cell, Exception | None]:
    """What failed, by cell."""
    failures: dict[Cell, Exception | None] = {}
    async with _Table(server, verdict) as table:
        again: Iterable[Cell] = CELLS
        for turn in _ROUNDS:
            trials = await table.play(again, turn)
            failures |= {cell: failure for cell, failure, _ in trials}
            again = [cell for cell, failure, stood in trials if failure and stood]
    return failures


class _Table:
    """Where they are played: one event loop, and one other process for all."""

    def __init__(self, server: RedisServer, verdict: Verdict) -> None:
        self._server = server
        self._verdict = verdict
        self._admin = Redis(port=server.port)
        self._elsewhere = RedisStore.from_url(server.url, budget=BUDGET)

    async def __aenter__(self) -> Self:
        for script in vars(scripts).values():
            if isinstance(script, scripts.Script):
                await self._admin.script_load(script.source)
        await self._elsewhere.check()
        await subscribed(self._elsewhere)
        self._tasks, self._stalls = _Tasks(), Stalls()
        probe = self._stalls.probe(self._admin.ping)
        self._probing = asyncio.create_task(probe)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stalls.stop()
        self._probing.cancel()
        await self._elsewhere.aclose()
        await self._admin.aclose()

    async def play(
        self, cells: Iterable[Cell], turn: _Round
    ) -> list[tuple[Cell, Exception | None, bool]]:
        """What failed, and whether the machine stood still meanwhile."""
        places = asyncio.Semaphore(turn.at_once)

        async def one(cell: Cell) -> tuple[Cell, Exception | None, bool]:
            async with places:
                before = self._stalls.seconds
                failure = await self._failure(cell, turn.pace)
                return cell, failure, self._stalls.seconds - before > _STOOD_STILL

        return await asyncio.gather(*map(one, cells))

    async def _failure(self, cell: Cell, pace: float) -> Exception | None:
        try:
            self._verdict(cell, await self._played(cell, pace))
        except Exception as exc:  # for the test to raise
            return exc
        return None

    async def _played(self, cell: Cell, pace: float) -> Outcome:
        step, times = STEPS[cell.step], _ALWAYS if cell.goes_on else 1
        self._tasks.begin(owner := object())
        async with asyncio.timeout(20 * pace), Proxy(self._server.port) as proxy:
            proxy.late *= pace
            spoil = partial(proxy.spoil, step.word, FAULTS[cell.fault], times)
            trial = Trial(proxy, self._elsewhere, step.selling, spoil, pace)
            name = record_name(trial.key)
            assert not await self._admin.exists(name), "the key is fresh"
            told = await step.story(trial)
            await trial.end()
        seconds, call = max(trial.calls)
        return Outcome(
            told,
            proxy.fired,
            trial.started,
            trial.bodies,
            (seconds / pace, call),
            await self._admin.pttl(name) > 0,
            [repr(task) for task in self._tasks.unfinished(owner)],
        )


_owner: ContextVar[object] = ContextVar("owner", default=None)


class _Tasks:
    """Tells the tasks of one trial from those of others, by what began them."""

    def __init__(self) -> None:
        self._of: dict[object, set[asyncio.Task[Any]]] = defaultdict(set)
        asyncio.get_running_loop().set_task_factory(self._make)

    def begin(self, owner: object) -> None:
        """What the running task begins from here on is the owner's."""
        _owner.set(owner)

    def unfinished(self, owner: object) -> list[asyncio.Task[Any]]:
        return [task for task in self._of[owner] if not task.done()]

    def _make(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **options)
        self._of[_owner.get()].add(task)
        return task
