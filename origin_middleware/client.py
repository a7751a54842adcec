"""The connection to the client. It may vanish at any time; the handler's work does not
depend on it.
"""

import asyncio
from typing import Any

from .asgi import Message, Receive, Send

_DISCONNECT: Message = {"type": "http.disconnect"}


class ClientGone(OSError):
    """The client has disconnected."""


def is_departure(error: BaseException) -> bool:
    """Did the handler end because it was told that its client had left? That is how
    endless handlers end.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_departure, error.exceptions))
    if isinstance(error, ClientGone):
        return True
    # What Starlette makes of it, where the server speaks ASGI 2.4.
    is_starlettes = type(error).__name__ == "ClientDisconnect"
    return is_starlettes and isinstance(error.__context__, ClientGone)


class Client:
    __slots__ = ("_asked", "_busy", "_left", "_receive", "_send", "failure", "gone")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._busy: set[asyncio.Task[object]] = set()
        self._left = False
        self._asked: asyncio.Task[Message] | None = None
        self.gone = False
        """Nothing is sent any more."""
        self.failure: BaseException | None = None
        """Of the server, or of a middleware outside, when it was sent something."""

    def raise_failure(self) -> None:
        """Raises what a server or a middleware outside has raised: its caller must get
        it."""
        if self.failure is not None:
            try:
                raise self.failure
            finally:
                self.failure = None  # a circle would wait for the collector

    def leave(self) -> None:
        """The request has been cancelled: its server answers by itself from now on, and
        a task that waits for the server might wait for ever."""
        self.gone = True
        for task in self._busy:
            task.cancel()

    async def has_left(self) -> bool:
        """Asks the server, which answers at once or not at all. Meaningless once the
        response is complete: servers then say that the client has left.
        """
        if self.seems_gone():
            return True
        if self._asked is not None:
            await asyncio.wait([self._asked], timeout=0)
        gone = self.seems_gone()
        self.ask_no_more()
        return gone

    def seems_gone(self) -> bool:
        """Like has_left, for callers that cannot wait: the next call has the answer."""
        if self.gone or self._left:
            return True
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._ask())
        elif self._asked.done():
            asked, self._asked = self._asked, None
            # A server may raise anything, and is then gone. Some say it once only. What
            # is sent goes to the server all the same: most take it without a word, and
            # an exception would look like a failure of the handler.
            failed = asked.cancelled() or asked.exception() is not None
            self._left = failed or asked.result()["type"] == "http.disconnect"
        return self._left

    def ask_no_more(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None

    async def receive(self) -> Message:
        if self._asked is not None:
            await asyncio.wait([self._asked])
            self.seems_gone()
        return await self._ask()

    async def _ask(self) -> Message:
        if self.gone or self._left:
            return _DISCONNECT
        task: Any = asyncio.current_task()  # a coroutine always runs in one
        cancelling = task.cancelling()
        self._busy.add(task)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if self._has_called_off(task, cancelling):
                return _DISCONNECT
            raise
        finally:
            self._busy.discard(task)

    async def send(self, message: Message) -> None:
        """Raises ClientGone once the client is gone, without asking the server again.

        An exception of the server means that the client gets nothing any more. It is
        not a failure of the handler, because the message was checked before:
        `raise_failure` raises it.
        """
        if self.gone:
            raise ClientGone
        task: Any = asyncio.current_task()  # a coroutine always runs in one
        cancelling = task.cancelling()
        self._busy.add(task)
        try:
            await self._send(message)
        except asyncio.CancelledError as exc:
            if self._has_called_off(task, cancelling):
                raise ClientGone from None
            if task.cancelling() > cancelling:
                raise
            raise self._failed(exc) from exc
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:  # servers and middlewares may raise anything
            raise self._failed(exc) from exc
        finally:
            self._busy.discard(task)

    def _failed(self, failure: BaseException) -> ClientGone:
        self.gone, self.failure = True, failure
        return ClientGone()

    def _has_called_off(self, task: "asyncio.Task[Any]", cancelling: int) -> bool:
        """Did `leave`, and nothing else, cancel the task?"""
        return self.gone and task.uncancel() == cancelling
