"""Virtual time: the event loops of several processes, on one clock that jumps.

Nothing waits. When no loop has anything to do, time moves to the next timer, so a
minute of the protocol takes as long as its callbacks. Every process has a loop of its
own, with a clock of its own, which can be stalled or stopped without the others.
"""

import asyncio
from asyncio import events
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any
from warnings import catch_warnings, simplefilter

# A schedule has some thousand callbacks. One that has so many goes round in circles.
_MOST_CALLBACKS = 100_000

# What a turn of a loop takes, in seconds. Code that asks until a moment has passed
# would otherwise ask for ever.
_TURN = 0.000_002


_of_this_thread = asyncio.get_running_loop


class Livelock(Exception):
    """Callbacks without end, and time stands still or hardly moves."""


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.callbacks = 0
        self._count = count()
        self._due: list[tuple[float, int, Loop | None, Any]] = []
        self._awake: deque[Loop] = deque()
        self.awaken = self._awake.append
        self.running: Loop | None = None

    def call_at(self, when: float, call: Callable[..., object], *args: Any) -> None:
        """For what happens outside all processes: the network, the server."""
        heappush(self._due, (when, next(self._count), None, (call, args)))

    def deliver_at(
        self, when: float, loop: "Loop", callback: Callable[..., object], *args: Any
    ) -> None:
        """For what a process is told from outside."""
        handle = Handle(callback, args, loop.outside)
        heappush(self._due, (when, next(self._count), loop, handle))

    def run(self, until: float = inf) -> None:
        """Until nothing is left to do, or that instant. Raises Livelock."""
        # Before Python 3.12, asyncio's own asks the kernel each time for the process's
        # number: a tenth of what a schedule takes.
        asyncio.get_running_loop = events.get_running_loop = self._running_loop
        try:
            self._run(until)
        finally:
            asyncio.get_running_loop = events.get_running_loop = _of_this_thread
            self.enter(None)

    def _running_loop(self) -> "Loop":
        if self.running is None:
            raise RuntimeError("no running event loop")
        return self.running

    def enter(self, loop: "Loop | None") -> None:
        """It is the running one from here on."""
        _set_running_loop(loop)
        self.running = loop

    def _run(self, until: float) -> None:
        due, awake = self._due, self._awake
        while True:
            while awake:
                awake.popleft().turn()
                if self.callbacks > _MOST_CALLBACKS:
                    raise Livelock
            if not due or due[0][0] > until:
                self.now = until if until != inf else self.now
                return
            when, _, loop, call = heappop(due)
            if loop is None:
                self.now = max(self.now, when)
                call[0](*call[1])
            elif call.callback is not None and not loop.dead:
                self.now = max(self.now, when)
                loop.enqueue(call)

    def set_timer(self, when: float, loop: "Loop", handle: "Handle") -> None:
        heappush(self._due, (when, next(self._count), loop, handle))


class Handle:
    """What asyncio's handles are, without what only their debug mode needs."""

    __slots__ = ("args", "callback", "context")

    def __init__(
        self,
        callback: Callable[..., object] | None,
        args: tuple[Any, ...],
        context: Context,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None


class Loop(asyncio.BaseEventLoop):
    """Of one process."""

    def __init__(self, world: World, offset: float) -> None:
        """`offset`: its clock shows so many seconds more than the world's."""
        self.dead = True
        super().__init__()
        self.dead = False
        self.world = world
        self.offset = offset
        self.outside = copy_context()
        """Of what no task of it has asked for."""
        self.escaped: list[BaseException | str] = []
        """What no task and no callback has caught."""
        self.tasks: list[asyncio.Task[Any]] = []
        self._stalled_until = 0.0
        self._waiting: deque[Handle] = deque()
        self._turns = False

    def time(self) -> float:
        return self.world.now + self.offset

    def stall(self, seconds: float) -> None:
        """The process stands still, as with SIGSTOP; what comes meanwhile waits."""
        self._stalled_until = max(self._stalled_until, self.world.now + seconds)

    def die(self) -> None:
        self.dead = True
        self._waiting.clear()

    def bury(self) -> None:
        """Nothing of it runs any more; without this, the collector would complain."""
        self.dead = True
        _set_running_loop(self)
        try:
            with catch_warnings():
                # What was to begin in the next turn is never awaited: killed is killed.
                simplefilter("ignore", RuntimeWarning)
                self._close_tasks()
        finally:
            _set_running_loop(None)
        self.tasks.clear()
        self._waiting.clear()
        self._closed = True

    def _close_tasks(self) -> None:
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio's own
                _close(task.get_coro())

    def pending(self) -> list[asyncio.Task[Any]]:
        return [task for task in self.tasks if not task.done()]

    def turn(self) -> None:
        """Run what is ready now, but not what that makes ready."""
        waiting, world = self._waiting, self.world
        if self.dead:
            return
        if self._stalled_until > world.now:
            world.call_at(self._stalled_until, world.awaken, self)
            return
        world.callbacks += len(waiting)
        world.now += _TURN
        if self is not world.running:
            world.enter(self)
        self._turns = True
        try:
            for _ in range(len(waiting)):
                if not waiting:
                    break  # it has died
                handle = waiting.popleft()
                if handle.callback is not None:
                    handle.context.run(handle.callback, *handle.args)
        except BaseException as error:  # SystemExit as well: it would end a worker
            self.escaped.append(error)
        self._turns = False
        if waiting:
            world.awaken(self)

    def enqueue(self, handle: Handle) -> None:
        if not self._waiting and not self._turns:
            self.world.awaken(self)
        self._waiting.append(handle)

    # What asyncio asks of a loop.

    def call_soon(  # type: ignore[override] # a handle of our own
        self,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, copy_context() if context is None else context)
        if not self.dead:
            self.enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment] # as above

    def call_at(  # type: ignore[override] # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, copy_context() if context is None else context)
        self.world.set_timer(when - self.offset, self, handle)
        return handle

    def call_later(  # type: ignore[override] # as above
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, copy_context() if context is None else context)
        self.world.set_timer(self.world.now + delay, self, handle)
        return handle

    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: Context | None = None,
    ) -> "asyncio.Task[Any]":
        # A name of its own would be counted for it, and nobody reads it.
        task = asyncio.Task(coro, loop=self, name="", context=context)
        self.tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override] # as above
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Done at once, and known a turn later."""
        future = self.create_future()
        result = func(*args)
        self.call_soon(_resolve, future, result)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.escaped.append(context.get("exception") or context["message"])

    def is_running(self) -> bool:
        return not self.dead


def _resolve(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _close(coroutine: Any) -> None:
    with suppress(BaseException):  # it waits in its `finally`: nobody hears it
        coroutine.close()
