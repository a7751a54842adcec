"""Several processes in one: event loops that share a virtual clock, in a seeded order.

Each process of a schedule has an event loop of its own, so that it can be stalled or
killed while the others go on. Time passes only when nobody has anything to do.
"""

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")


BEGAN = 1_000.0
"""What the clock shows at the beginning."""

# Seconds that a turn of an event loop takes, and how many are too many in a moment.
_TURN = 1e-7
_BUSY = 100_000


class StuckError(Exception):
    """Nobody has anything to do, now or later, and the schedule is not over."""


class World:
    """The clock, and everybody who lives by it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a schedule has to be repeatable
        self.now = BEGAN
        self.complaints: list[str] = []
        """What went to the exception handlers of event loops."""
        self._later: list[tuple[float, int, Loop | None, Any]] = []
        self._number = count()
        self._ready: list[Loop] = []

    def at(self, when: float, call: Callable[..., object], *args: object) -> None:
        """Something that happens outside all processes."""
        handle = _Outside(call, args)
        heapq.heappush(self._later, (when, next(self._number), None, handle))

    def schedule(self, when: float, loop: "Loop", handle: events.Handle) -> None:
        heapq.heappush(self._later, (when, next(self._number), loop, handle))

    def is_ready(self, loop: "Loop") -> None:
        if not loop.listed:
            loop.listed = True
            self._ready.append(loop)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Raises StuckError."""
        ready, then, turns = self._ready, self.now, 0
        while not done():
            turns += 1
            if self.now > then + 0.1:
                then, turns = self.now, 0
            elif turns > _BUSY:
                raise StuckError("somebody is busy for ever")
            if ready:
                turn = self.random.randrange(len(ready)) if len(ready) > 1 else 0
                ready.pop(turn).turn()
            elif self._later:
                self._pass_time()
            else:
                raise StuckError("nothing will ever happen")

    def _pass_time(self) -> None:
        when, _, loop, handle = heapq.heappop(self._later)
        self.now = max(self.now, when)
        if handle._cancelled:  # cheaper than a call
            return
        if loop is None:
            handle._run()
        else:
            loop.add(handle)


# typeshed says that all methods of a loop have to be there; asyncio does without.
_Base: Any = asyncio.AbstractEventLoop


class _Outside:
    __slots__ = ("_args", "_call", "_cancelled")

    def __init__(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        self._call = call
        self._args = args
        self._cancelled = False

    def _run(self) -> None:
        self._call(*self._args)


class Loop(_Base):  # type: ignore[misc] # see above
    """Of one process. What the middleware does not use is not there."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.listed = False
        self.dead = False
        self.stalled_until = 0.0
        self._world = world
        self._handles: deque[Any] = deque()

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def time(self) -> float:
        return self._world.now

    def add(self, handle: events.Handle) -> None:
        self._handles.append(handle)
        if not self.listed and not self.dead:
            self._world.is_ready(self)

    def stall(self, seconds: float) -> None:
        """As SIGSTOP does: it notices nothing, and its timers are late."""
        self.stalled_until = max(self.stalled_until, self._world.now + seconds)
        self._world.at(self.stalled_until, self._wake)

    def kill(self) -> None:
        """As SIGKILL does."""
        self.dead = True

    def raise_from_the_dead(self) -> None:
        """So that what it was doing can be ended."""
        self.dead, self.stalled_until = False, 0.0
        self._wake()

    def turn(self) -> None:
        """All that is ready now, as a turn of asyncio's own loops."""
        self.listed = False
        if self.dead or self.stalled_until > self._world.now:
            return
        handles = self._handles
        self._world.now += _TURN
        events._set_running_loop(self)
        try:
            for _ in range(len(handles)):
                if self._was_killed():  # by what it has just done
                    break
                handle = handles.popleft()
                if not handle._cancelled:  # as above
                    handle._run()
        finally:
            events._set_running_loop(None)
        if handles and not self.dead:
            self._world.is_ready(self)

    def _was_killed(self) -> bool:
        return self.dead

    def _wake(self) -> None:
        if self._handles and not self.dead and not self.listed:
            self._world.is_ready(self)

    # What asyncio asks of a loop

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.add(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._world.schedule(when, self, timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # it is skipped when its time comes

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[T]":
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.dead:
            said = f"{context.get('message')}: {context.get('exception')!r}"
            self._world.complaints.append(f"{self.name}: {said}")

    def get_task_factory(self) -> None:
        return None

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead
