"""Plays all trials of the matrix, many beside each other: they mostly wait."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Self

from redis.asyncio import Redis

from origin_middleware.stores.redis import RedisStore, scripts
from tests.origin_middleware.stores.topologies.names import record_name
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer

from .matrix import CELLS, FAULTS, STEPS, Cell
from .trial import Trial
from .undisturbed import Stalls, Tasks

_AT_ONCE = 32
_TRIES = 5
_ALWAYS = 1_000_000


@dataclass(frozen=True)
class Outcome:
    told: list[str]
    fired: int
    started: int
    bodies: set[bytes]
    slowest: tuple[float, str]
    expires: bool
    left: list[str]
    """Tasks that go on."""


async def play_all(server: RedisServer) -> dict[Cell, Outcome | Exception]:
    async with _Table(server) as table:
        outcomes = await asyncio.gather(*map(table.play, CELLS))
    return dict(zip(CELLS, outcomes, strict=True))


class _Table:
    """Where they are played: one event loop, and one other process for all."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._admin = Redis(port=server.port)
        self._elsewhere = RedisStore.from_url(server.url)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        for script in vars(scripts).values():
            if isinstance(script, scripts.Script):
                await self._admin.script_load(script.source)
        await self._elsewhere.check()
        await self._elsewhere._session.wakeups.channel()
        self._tasks, self._stalls = Tasks(), Stalls()
        probe = self._stalls.probe(self._admin.ping)
        self._probing = asyncio.create_task(probe)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stalls.stop()
        self._probing.cancel()
        await self._elsewhere.aclose()
        await self._admin.aclose()

    async def play(self, cell: Cell) -> Outcome | Exception:
        """Once more, where the machine stood still: that was no fault of the store."""
        async with self._places:
            tries = _TRIES
            while True:
                stalls, tries = self._stalls.count, tries - 1
                outcome = await self._try(cell)
                if self._stalls.count == stalls or not tries:
                    return outcome

    async def _try(self, cell: Cell) -> Outcome | Exception:
        try:
            return await self._played(cell)
        except Exception as exc:  # for the test to raise
            return exc

    async def _played(self, cell: Cell) -> Outcome:
        step, times = STEPS[cell.step], _ALWAYS if cell.goes_on else 1
        self._tasks.begin(owner := object())
        async with asyncio.timeout(20), Proxy(self._server.port) as proxy:
            spoil = partial(proxy.spoil, step.word, FAULTS[cell.fault], times)
            trial = Trial(proxy, self._elsewhere, step.selling, spoil)
            name = record_name(trial.key)
            assert not await self._admin.exists(name), "the key is fresh"
            told = await step.story(trial)
            await trial.end()
        return Outcome(
            told,
            proxy.fired,
            trial.started,
            trial.bodies,
            max(trial.calls),
            await self._admin.pttl(name) > 0,
            [repr(task) for task in self._tasks.unfinished(owner)],
        )
