"""Whether what was measured on this event loop is worth anything."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

# On a busy machine a process may stand still for longer than a store waits.
_STALL = 0.15
_TICK = 0.02
_ORDINARY = 0.005


class Stalls:
    """When this process stood still, by a clock that ticks on its loop; and when a
    server did that is probed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.count = 0
        self.seconds = 0.0
        self._wind()

    def stop(self) -> None:
        self._timer.cancel()

    async def probe(self, ping: Callable[[], Awaitable[object]]) -> None:
        """For ever: cancel it."""
        while True:
            begun = self._loop.time()
            await ping()
            self.count += self._loop.time() - begun > _STALL
            await asyncio.sleep(_TICK)

    def _wind(self) -> None:
        self._due = self._loop.time() + _TICK
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        late = self._loop.time() - self._due
        self.count += late > _STALL
        if late > _ORDINARY:
            self.seconds += late
        self._wind()


_owner: ContextVar[object] = ContextVar("owner", default=None)


class Tasks:
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
