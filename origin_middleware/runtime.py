"""What all requests of one middleware share: the app, the store, the observer, and the
work that a request cannot cancel.

A server cancels the tasks of its requests when its grace period ends. Neither
asyncio.shield nor an anyio shield survives that, because the process exits first. A
task of our own survives, if lifespan.shutdown waits for it.
"""

import asyncio
import gc
import logging
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Protocol, TypeVar

from .asgi import ASGIApp, Message, Receive, Send
from .client import Client, is_departure
from .errors import ConfigurationError, StoreError, StoreUnsafe
from .events import Event, Observers
from .key import Key
from .stores import Checks, Store
from .ticker import Ticker

_log = logging.getLogger("origin_middleware")

# As long as CloudFront waits for an origin: nobody hears an answer that takes longer.
_DRAIN = 30.0

# Long enough for a handler that ends by itself. An endless one has to hear that its
# client has left, or every shutdown would take the whole time.
_UNDISTURBED = 5.0

# Seconds between two log lines about one kind of failure of the store.
_PAUSE = 10.0

_everything: "weakref.WeakSet[Runtime]" = weakref.WeakSet()

# Work that belongs to no middleware: every shutdown waits for it.
_shared: "set[asyncio.Task[Any]]" = set()

T = TypeVar("T")


async def drain() -> None:
    """Wait for the running handlers of every middleware in this process, and for
    settlements (`settle_once`), for up to 30 seconds.

    A middleware around a whole app does this by itself when the app shuts down. A
    middleware around a route is not told about the shutdown: call this in your
    lifespan, after the `yield` and before you close the store.
    """
    await asyncio.gather(*(runtime.drain() for runtime in _everything))


def spawn(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """For what a payment middleware outside does, such as a settlement."""
    task = asyncio.get_running_loop().create_task(work)
    _shared.add(task)
    task.add_done_callback(_shared.discard)
    return task


class Run(Protocol):
    """Of a handler."""

    def let_go(self) -> None: ...


# Of an app: nothing comes after these.
_ENDINGS = ("lifespan.shutdown.", "lifespan.startup.failed")


class Runtime:
    def __init__(self, app: ASGIApp, store: Store, observers: Observers[Event]) -> None:
        self.app = app
        self.store = store
        self.observe = observers.tell
        self._failures = FailureLog()
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting: Counter[Key] = Counter()
        self._runs: set[Run] = set()
        self._draining = False
        self._tickers: dict[asyncio.AbstractEventLoop, Ticker] = {}
        _everything.add(self)

    def log_failure(self, error: Exception) -> None:
        self._failures.add(error, asyncio.get_running_loop().time())

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def outlive(self, client: Client, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, even if the caller is cancelled. Raises what it does.

        The work runs in the caller's context: a variable that is set outside is seen
        inside, and the other way round.
        """
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        task = loop.create_task(self._tell(ended, work), context=_current_context(loop))
        if not task.done():  # an eager one may be
            self._tasks.add(task)
        try:
            await ended
        except asyncio.CancelledError:
            if ended.cancelled():  # and not a handler that failed with this error
                client.leave()
            raise
        finally:
            del ended, task, work  # its error leads here: a circle

    async def _tell(
        self, ended: "asyncio.Future[None]", work: Coroutine[Any, Any, None]
    ) -> None:
        """Cheaper than asyncio.shield, by two turns of the event loop; and than a
        callback at the end of the task, by one.
        """
        task = asyncio.current_task()
        try:
            await work
        except BaseException as exc:  # a handler may raise anything
            if is_closed(exc, task):
                raise
            if is_interrupted(exc):  # the loop is ending
                ended.cancel()
                raise
            if isinstance(exc, GeneratorExit):
                # Thrown into a coroutine that waits, it would only close it.
                raised = RuntimeError("The handler raised GeneratorExit.")
                raised.__cause__, exc = exc, raised
            if not ended.done():
                # SystemExit too: out of a task of our own it would end the event loop.
                ended.set_exception(exc)
                return
            if not is_departure(exc):
                _log.error(
                    "A handler failed after its request was cancelled.", exc_info=exc
                )
        else:
            if not ended.done():
                ended.set_result(None)
        finally:
            self._tasks.discard(task)
            del ended, task, work  # as above

    def begin(self, run: "Run") -> None:
        """`run.let_go` is called when a shutdown has waited for a while."""
        if self._draining:
            run.let_go()
        self._runs.add(run)

    def end(self, run: "Run") -> None:
        self._runs.discard(run)

    def ticker(self) -> Ticker:
        """Of the running event loop: tests have several."""
        loop = asyncio.get_running_loop()
        ticker = self._tickers.get(loop)
        if ticker is None:
            for other in [each for each in self._tickers if each.is_closed()]:
                self._tickers.pop(other, None)
            ticker = self._tickers[loop] = Ticker(loop)
        return ticker

    async def drain(
        self, within: float = _DRAIN, undisturbed: float = _UNDISTURBED
    ) -> None:
        """Also for work that begins meanwhile, such as a write that is tried again.

        After `undisturbed` seconds, handlers are told whether their client has left.
        """
        now = asyncio.get_running_loop().time()
        await self._wait(now + min(undisturbed, within))
        self._draining = True
        for run in self._runs:
            run.let_go()
        await self._wait(now + within)
        self._draining = False
        if left := self._awaited():
            _log.warning(
                "Shutdown timed out with %d requests running; "
                "their outcome is unknown.",
                len(left),
            )

    async def _wait(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while (tasks := self._awaited()) and loop.time() < until:
            await asyncio.wait(tasks, timeout=until - loop.time())

    def _awaited(self) -> "set[asyncio.Task[Any]]":
        """Of the running event loop: tasks of other loops would not wake it."""
        loop = asyncio.get_running_loop()
        tasks = self._tasks | _shared
        return {task for task in tasks if task.get_loop() is loop}

    def lifespan(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """The lifespan channel: the store is checked before the app starts, and the
        shutdown waits for the requests that are running.
        """

        async def drained_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._check_loop(send)
                await asyncio.to_thread(_check_room)
                await self._check_store(closing_send)
            if message["type"] == "lifespan.shutdown":
                await self.drain()
            return message

        async def closing_send(message: Message) -> None:
            if message["type"].startswith(_ENDINGS):
                await self.store.aclose()
            await send(message)

        return drained_receive, closing_send

    async def _check_loop(self, send: Send) -> None:
        try:
            event_loop()
        except ConfigurationError as other:
            await send({"type": "lifespan.startup.failed", "message": str(other)})
            raise

    async def _check_store(self, send: Send) -> None:
        """A store that may lose records fails the start-up. A store that is away does
        not: it may come back, and requests are refused until then.
        """
        if not isinstance(self.store, Checks):
            return
        try:
            await self.store.check()
        except StoreUnsafe as unsafe:
            await send({"type": "lifespan.startup.failed", "message": str(unsafe)})
            raise
        except Exception as away:  # a start-up that dies here would skip the app's own
            _log.warning(
                "Requests with a key are refused until the store is back: %s", away
            )


class FailureLog:
    """Logs why the store refuses, or why a body cannot be kept. The client is not told,
    but the operator has to know; not once for each of the thousands of requests of an
    outage, though.
    """

    def __init__(self) -> None:
        self._next: dict[type[Exception], float] = {}
        self._unsaid: dict[type[Exception], int] = {}

    def add(self, error: Exception, now: float) -> None:
        """`now` is in seconds, by a clock that nobody sets."""
        kind = type(error)
        if now < self._next.get(kind, now):
            self._unsaid[kind] += 1
            return
        more = self._unsaid.get(kind, 0)
        also = f" ({more} more since the last line)" if more else ""
        failed = "The store" if isinstance(error, StoreError) else "The disk"
        _log.warning("%s failed a request: %s%s", failed, error, also)
        self._next[kind], self._unsaid[kind] = now + _PAUSE, 0


def event_loop() -> asyncio.AbstractEventLoop:
    """Raises ConfigurationError if the loop is not asyncio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "IdempotencyMiddleware needs asyncio or uvloop, and this app runs on "
            "something else, such as trio. Start hypercorn with --worker-class "
            'asyncio, and a TestClient with backend="asyncio".'
        ) from None


def is_interrupted(error: BaseException) -> bool:
    """Is this task being cancelled? A handler can also raise CancelledError by itself,
    because it awaited something that was cancelled: then it has failed.
    """
    task = asyncio.current_task()
    cancelled = isinstance(error, asyncio.CancelledError)
    return cancelled and task is not None and task.cancelling() > 0


def is_closed(error: BaseException, task: "asyncio.Task[Any] | None") -> bool:
    """Is the coroutine of this task being closed, because its event loop is gone? Then
    nothing can be awaited. A handler can raise GeneratorExit by itself: it has failed.
    """
    if not isinstance(error, GeneratorExit):
        return False
    return task is None or asyncio.current_task(task.get_loop()) is not task


def _current_context(loop: asyncio.AbstractEventLoop) -> Context | None:
    """None, which makes a copy, if the context itself cannot be had."""
    task = asyncio.current_task(loop)
    if loop.get_task_factory() is not None:
        return None  # an eager one would enter the context a second time
    if sys.version_info >= (3, 12):
        return task.get_context() if task is not None else None
    # Python 3.11 has it and does not show it.
    for found in gc.get_referents(task):
        if isinstance(found, Context):
            return found
    return None


def _check_room() -> None:
    try:
        tempfile.TemporaryFile(prefix="origin-middleware-").close()
    except OSError as full:
        _log.warning(
            "Requests with a large body are refused until there is room for temporary "
            "files: %s",
            full,
        )
