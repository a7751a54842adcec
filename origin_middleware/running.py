"""Work that a request cannot cancel, and that a shutdown waits for.

A server cancels the tasks of its requests when its grace period ends. Neither
asyncio.shield nor an anyio
shield survives that: the process exits first. A task of our own does, if
lifespan.shutdown waits for it.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from .asgi import Message, Receive, Send
from .client import Client
from .stores import Store

# As long as CloudFront waits for an origin: nobody listens to what takes longer.
_DRAIN = 30.0


class Running:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def outlive(self, client: Client, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end, even if the one who waits is cancelled. What `work` raises is
        raised here.
        """
        task = self.spawn(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            client.gone = True
            task.add_done_callback(_report)
            raise

    async def drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_DRAIN)

    def lifespan(
        self, receive: Receive, send: Send, store: Store
    ) -> tuple[Receive, Send]:
        """The lifespan channel, with a stop for what still runs, and for the store
        after it.
        """

        async def drained_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.drain()
            return message

        async def closing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await store.aclose()
            await send(message)

        return drained_receive, closing_send


def _report(task: "asyncio.Task[None]") -> None:
    """What the handler raised has nobody to go to any more."""
    if not task.cancelled() and (exc := task.exception()):
        logging.getLogger("origin_middleware").error(
            "A handler failed after its request was cancelled.", exc_info=exc
        )
