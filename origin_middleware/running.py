"""Work that a request cannot cancel, and that a shutdown waits for.

A server cancels the tasks of its requests when its grace period ends. Neither
asyncio.shield nor an anyio shield survives that: the process exits first. A task of our
own does, if lifespan.shutdown waits for it.
"""

import asyncio
import logging
import weakref
from collections.abc import Coroutine
from typing import Any

from .asgi import Message, Receive, Send
from .client import Client
from .errors import StoreUnsafe
from .stores import Checks, Store

_log = logging.getLogger("origin_middleware")

# As long as CloudFront waits for an origin: nobody listens to what takes longer.
_DRAIN = 30.0


_everything: "weakref.WeakSet[Running]" = weakref.WeakSet()


async def drain() -> None:
    """Wait for whatever any middleware of this process runs, up to 30 seconds.

    A middleware around a whole app does this by itself, when the app shuts down. One
    around a route does not hear of that: call this in your lifespan, after the `yield`
    and before you close the store.
    """
    await asyncio.gather(*(running.drain() for running in _everything))


class Running:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        _everything.add(self)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def outlive(self, client: Client, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end, even if we are cancelled. Raises what `work` raises."""
        ended = asyncio.get_running_loop().create_future()
        self.spawn(_telling(ended, work))
        try:
            await ended
        except asyncio.CancelledError:
            client.leave()
            raise

    async def drain(self, within: float = _DRAIN) -> None:
        """Also for what is begun meanwhile, such as a write that is tried again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while self._tasks and loop.time() < until:
            await asyncio.wait(set(self._tasks), timeout=until - loop.time())
        if self._tasks:
            _log.warning(
                "The shutdown does not wait any longer for what still runs (%d): "
                "handlers that it ends leave their outcome unknown.",
                len(self._tasks),
            )

    def lifespan(
        self, receive: Receive, send: Send, store: Store
    ) -> tuple[Receive, Send]:
        """The lifespan channel, which asks the store first, and stops for what still
        runs."""

        async def drained_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await _check(store, send)
            if message["type"] == "lifespan.shutdown":
                await self.drain()
            return message

        async def closing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await store.aclose()
            await send(message)

        return drained_receive, closing_send


async def _check(store: Store, send: Send) -> None:
    """A store that may lose records fails the start-up. One that is away does not: it
    may come while requests are refused."""
    if not isinstance(store, Checks):
        return
    try:
        await store.check()
    except StoreUnsafe as unsafe:
        await send({"type": "lifespan.startup.failed", "message": str(unsafe)})
        raise
    except Exception as away:  # a start-up that dies here would skip the app's own
        _log.warning(
            "Requests with a key are refused until the store is back: %s", away
        )


async def _telling(
    ended: "asyncio.Future[None]", work: Coroutine[Any, Any, None]
) -> None:
    """Cheaper than asyncio.shield, by two turns of the event loop."""
    try:
        await work
    except asyncio.CancelledError:  # the loop is ending
        ended.cancel()
        raise
    except Exception as exc:  # a handler raises what it likes
        if not ended.done():
            ended.set_exception(exc)
            return
        _log.error("A handler failed after its request was cancelled.", exc_info=exc)
    else:
        if not ended.done():
            ended.set_result(None)
