"""Duplicates of one key in one process share one waiter, and its looks at the store."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from ..errors import StoreUnavailable
from ..record import Absent, Finished, Held

View = Absent | Held | Finished
Look = Callable[[], Awaitable[View]]

# A wake-up can be lost with its connection; this is how long that may go unnoticed.
_FLOOR = 1.0

# This long before the time of a waiter is over there is a last look: a wake-up that was
# lost in the last second would not be noticed otherwise.
_LAST_LOOK = 0.25

# The head start of the first waiter to claim a key that was given back.
_HEAD_START = 0.01


class Waiting:
    """The waiters of one process, by whatever names a record in the store."""

    def __init__(self) -> None:
        # One for each event loop: tests run an app on several, in threads.
        self._waiters: dict[object, dict[asyncio.AbstractEventLoop, _Waiter]] = {}
        self._lock = threading.Lock()

    async def wait(self, name: object, held: Held, timeout: float, look: Look) -> View:
        """What `look` sees once no live lease holds it; `held` after `timeout`."""
        loop = asyncio.get_running_loop()
        with self._lock:
            waiters = self._waiters.setdefault(name, {})
            waiter = waiters.get(loop)
            if waiter is None:
                waiter = waiters[loop] = _Waiter(look, partial(self._forget, name))
        return await waiter.join(held, timeout)

    def wake(self, name: object) -> None:
        """From any thread."""
        if name in self._waiters:
            for waiter in self._of(name):
                waiter.wake()

    def wake_all(self) -> None:
        for name in list(self._waiters):
            for waiter in self._of(name):
                waiter.wake()

    def look_no_more(self) -> None:
        """Those who wait now get what they came with, at the end of their time."""
        for name in list(self._waiters):
            for waiter in self._of(name):
                waiter.stop()

    def _of(self, name: object) -> "list[_Waiter]":
        with self._lock:
            return list(self._waiters.get(name, {}).values())

    def _forget(self, name: object, waiter: "_Waiter") -> None:
        with self._lock:
            waiters = self._waiters.get(name, {})
            if waiters.get(waiter.loop) is waiter:
                del waiters[waiter.loop]
                if not waiters:
                    del self._waiters[name]


class _Waiter:
    """One task that looks, and a future for everybody who waits for what it sees."""

    def __init__(self, look: Look, forget: Callable[["_Waiter"], None]) -> None:
        self._look = look
        self._forget = forget
        # In the order in which they came, which a set would not keep.
        self._joined: dict[asyncio.Future[View], None] = {}
        self._woken = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            self.loop.call_soon_threadsafe(self._woken.set)

    def stop(self) -> None:
        self._forget(self)
        if self._task is not None:
            self._task.cancel()

    async def join(self, held: Held, timeout: float) -> View:
        # A future and a timer: ten thousand may wait, and a shield would cost more.
        future: asyncio.Future[View] = self.loop.create_future()
        if timeout > 2 * _LAST_LOOK:
            first = timeout - _LAST_LOOK
            timer = self.loop.call_later(first, self._look_again, future, held)
        else:
            timer = self.loop.call_later(timeout, _resolve, future, held)
        self._joined[future] = None
        if self._task is None:  # now, because an eager one runs at once
            self._task = self.loop.create_task(self._follow())
        try:
            return await future
        finally:
            timer.cancel()
            self._joined.pop(future, None)
            if not self._joined:
                self.stop()

    def _look_again(self, future: "asyncio.Future[View]", held: Held) -> None:
        self._woken.set()
        self.loop.call_later(_LAST_LOOK, _resolve, future, held)

    async def _follow(self) -> None:
        try:
            seen = await self._look_until_free()
            while isinstance(seen, Absent) and len(self._joined) > 1:
                # The key was given back. If all claimed it at once, all but one would
                # be back here in a moment.
                first = next(iter(self._joined))
                del self._joined[first]
                _resolve(first, seen)
                await asyncio.sleep(_HEAD_START)
                seen = await self._look_until_free()
        except Exception as exc:  # whatever it is, those who wait have to hear of it
            for future in self._joined:
                if not future.done():
                    future.set_exception(exc)
        else:
            for future in self._joined:
                _resolve(future, seen)
        finally:
            # Whoever comes from here on asks anew: this answer may be old by then.
            self._forget(self)

    async def _look_until_free(self) -> View:
        while True:
            self._woken.clear()
            pause = _FLOOR
            try:
                seen = await self._look()
            except StoreUnavailable:
                pass
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise  # and not only a look that was cancelled by others
            else:
                if not isinstance(seen, Held) or seen.abandoned:
                    return seen
                pause = min(_FLOOR, seen.lease_left)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()


def _resolve(future: "asyncio.Future[View]", seen: View) -> None:
    if not future.done():
        future.set_result(seen)
