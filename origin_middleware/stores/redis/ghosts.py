"""Claims whose fate is unknown: withdrawn in the background."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import StoreError
from .calls import Calls, Visit
from .line import now
from .scripts import Script

# A store that is away for longer keeps its ghosts: their leases lapse, and the records
# say "outcome unknown".
_GIVE_UP = 60.0
_PAUSE = 0.25

# The not-after instant of a claim that is known to have been applied.
APPLIED = 0


class Ghost(NamedTuple):
    """A claim whose fate is unknown: sent, not answered, given up.

    It is undone at once, which harms nobody: its token is not used any more. But it can
    still be applied, as long as its not-after instant has not passed on the server's
    clock. Only after it is an undoing conclusive.
    """

    undo: Script
    name: bytes
    header: bytes
    not_after: int
    until: float = 0.0
    """The same instant on the event loop's clock, which is never set back."""
    counted: int = 1
    """How many attempts it would count for; undone, for none."""


class Ghosts:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._ghosts: deque[_Haunting] = deque()
        self._added = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, ghost: Ghost, *, at_once: bool = True) -> None:
        self._ghosts.append(_Haunting(ghost, now() + _GIVE_UP, undone=not at_once))
        self._added.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._withdraw())

    async def aclose(self) -> None:
        """Wait until all have been undone after their instants, if the server is there
        to do it.
        """
        if self._task is not None:
            last = max((each.ghost.until for each in self._ghosts), default=0.0)
            until = max(last + _PAUSE, now()) + self._calls.budget
            await asyncio.wait([self._task], timeout=until - now())
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _withdraw(self) -> None:
        while self._ghosts:
            self._added.clear()
            turn = list(self._ghosts)
            gone = await asyncio.gather(*map(self._gone, turn))
            pairs = zip(turn, gone, strict=True)
            left = [each for each, is_gone in pairs if not is_gone]
            self._ghosts = deque([*left, *list(self._ghosts)[len(turn) :]])
            if left:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await self._added.wait()

    async def _gone(self, haunting: "_Haunting") -> bool:
        ghost = haunting.ghost
        if haunting.undone and now() <= ghost.until:
            return False
        try:
            conclusive = await self._calls.run(
                ghost.name, lambda visit: _undo(visit, ghost), self._calls.deadline()
            )
        except StoreError:
            return now() >= haunting.give_up
        haunting.undone = True
        return conclusive or now() >= haunting.give_up


@dataclass(slots=True)
class _Haunting:
    ghost: Ghost
    give_up: float
    undone: bool


async def _undo(visit: Visit, ghost: Ghost) -> bool:
    """Whether it was conclusive. It is done all the same: where somebody has set the
    server's clock back, the instant does not come for a long time.
    """
    clock = 0
    if now() > ghost.until:
        # Read anew: an estimate would not be proof that the instant has passed.
        await visit.read_clock()
        clock = visit.endpoint.offset + int(now() * 1000)
    await visit.evaluate(ghost.undo, ghost.name, ghost.header, ghost.counted)
    latest = visit.endpoint.latest
    if latest is not None and latest[0] == ghost.name:
        visit.endpoint.latest = None  # that it is gone is no loss
    return clock > ghost.not_after or ghost.not_after == APPLIED
