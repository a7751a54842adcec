"""Claims whose fate is unknown: sent, not answered, given up.

Such a claim can still be applied, as long as its not-after instant has not passed on
the server's clock. Only after it is an undoing conclusive; an earlier one might be
overtaken by the claim.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from ...errors import StoreError
from .clock import clock_offset, now
from .line import Line
from .scripts import Script
from .server import Server, evaluated

# A store that is away for longer keeps its ghosts: their leases lapse, and the records
# say "outcome unknown".
_GIVE_UP = 60.0
_PAUSE = 0.25

# What a shutdown gives for it: a not-after instant is one budget away.
_LAST_CHANCE = 2.0


class Ghost(NamedTuple):
    undo: Script
    name: bytes
    header: bytes
    not_after: int


class Ghosts:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._ghosts: deque[tuple[Ghost, float]] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, ghost: Ghost) -> None:
        self._ghosts.append((ghost, now() + _GIVE_UP))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._withdraw())

    async def aclose(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST_CHANCE)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _withdraw(self) -> None:
        while self._ghosts:
            turn = list(self._ghosts)
            gone = await asyncio.gather(*(self._gone(g, t) for g, t in turn))
            pairs = zip(turn, gone, strict=True)
            left = [each for each, is_gone in pairs if not is_gone]
            self._ghosts = deque([*left, *list(self._ghosts)[len(turn) :]])
            if left:
                await asyncio.sleep(_PAUSE)

    async def _gone(self, ghost: Ghost, give_up: float) -> bool:
        try:
            return await self._undone(ghost)
        except StoreError:
            return now() >= give_up

    async def _undone(self, ghost: Ghost) -> bool:
        until = self._server.deadline()
        return await self._server.run(
            ghost.name, lambda line: _undo(line, ghost, until), until
        )


async def _undo(line: Line, ghost: Ghost, until: float) -> bool:
    # Read anew: an estimate would not be proof that the instant has passed.
    line.offset = await clock_offset(line, until)
    clock = line.offset + int(now() * 1000)
    if clock <= ghost.not_after:
        return False
    await evaluated(line, ghost.undo, ghost.name, (ghost.header,), until)
    return True
