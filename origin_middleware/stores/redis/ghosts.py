"""Claims whose fate is unknown: sent, not answered, given up.

Such a claim can still be applied, as long as its not-after instant has not passed on
the server's clock.
Only after it is a release conclusive; an earlier one might be overtaken by the claim.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from ...errors import StoreError
from .scripts import RELEASE
from .server import Server

# A store that is away for longer keeps its ghosts: their leases lapse, and the records
# say "outcome unknown".
_GIVE_UP = 60.0
_PAUSE = 0.25


class _Ghost(NamedTuple):
    name: bytes
    header: bytes
    not_after: int
    give_up: float


class Ghosts:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._ghosts: deque[_Ghost] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, name: bytes, header: bytes, not_after: int) -> None:
        loop = asyncio.get_running_loop()
        self._ghosts.append(_Ghost(name, header, not_after, loop.time() + _GIVE_UP))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._withdraw())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _withdraw(self) -> None:
        loop = asyncio.get_running_loop()
        while self._ghosts:
            ghost = self._ghosts[0]
            try:
                gone = loop.time() >= ghost.give_up or await self._released(ghost)
            except StoreError:
                gone = False
            if gone:
                self._ghosts.popleft()
            else:
                await asyncio.sleep(_PAUSE)

    async def _released(self, ghost: _Ghost) -> bool:
        # An estimate would not be proof that the instant has passed.
        if await self._server.read_clock() <= ghost.not_after:
            return False
        await self._server.run(RELEASE, ghost.name, ghost.header)
        return True
