"""One connection, on which the commands of many requests travel together.

It is a pipeline: commands of the same turn of the event loop leave in one write, and
replies come in the order of the commands.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import hiredis

from .line import Command, CutOff, ErrorReply

_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment] # its stub knows tuples of one

# How often a line that waits for replies looks whether they still come.
_LOOKS = 5

# Bytes. What does not fit into the buffers on the way takes its time to leave, and how
# it gets on cannot be seen: beneath TLS, asyncio does not say. It is given this many a
# second.
_SLOW_TO_LEAVE = 131_072
_SLOWEST = 1_048_576

_CLOSING = 1.0


class SharedLine(asyncio.Protocol):
    """A `Line` for many requests at once."""

    in_order = True

    def __init__(self, stream: asyncio.StreamWriter, silence: float) -> None:
        """Takes the stream over. The line is given up after `silence` seconds in which
        replies were due, and none came."""
        self._loop = asyncio.get_running_loop()
        self._silence = silence
        self._reader = hiredis.Reader(replyError=ErrorReply)
        self._pending: deque[tuple[asyncio.Future[Any], float, float]] = deque()
        self._unsent: list[bytes] = []
        self._moved = self._loop.time()
        self._gone = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self.closed = False
        self._stream = stream  # kept: it closes its transport when it is collected
        self._transport = stream.transport
        self._transport.set_protocol(self)

    def send(
        self, command: Command, until: float, asking: bool = False
    ) -> asyncio.Future[Any]:
        """The reply to a caller that has given up is thrown away when it comes."""
        if asking:
            # It counts for the very next command, and nothing comes in between.
            self.send(("ASKING",), until).add_done_callback(_ignore)
        reply = self._loop.create_future()
        if self.closed:
            reply.set_exception(ConnectionError("the connection is closed"))
            return reply
        packed = _pack(command)
        if not self._pending:
            self._expect()
            self._transport.write(packed)
        else:
            if not self._unsent:
                self._loop.call_soon(self._flush)
            self._unsent.append(packed)
        leaving = len(packed) / _SLOWEST if len(packed) > _SLOW_TO_LEAVE else 0.0
        self._pending.append((reply, until, leaving))
        return reply

    def close(self, reason: str) -> None:
        self._close(ConnectionError(reason))

    def _close(self, lost: ConnectionError) -> None:
        if self.closed:
            return
        self.closed = True
        if self._watch is not None:
            self._watch.cancel()
        self._transport.abort()
        pending, self._pending = self._pending, deque()
        for reply, *_ in pending:
            if not reply.done():
                reply.set_exception(lost)
            lost = ConnectionError(*lost.args)  # no other was to be answered next

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                if type(reply) is hiredis.PushNotification:
                    continue  # the server talks of itself
                waiting, _, _ = self._pending.popleft()
                if waiting.done():
                    continue
                if isinstance(reply, ErrorReply):
                    waiting.set_exception(reply)
                else:
                    waiting.set_result(reply)
        except (hiredis.HiredisError, IndexError):
            # Replies are told apart by their order alone: none can be trusted now.
            self.close("the server sent what was not asked for")
        if self._pending:
            self._moved = self._loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._close(CutOff(f"the connection was lost: {exc or 'closed by the server'}"))
        self._gone.set()

    async def wait_closed(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._gone.wait()

    def _flush(self) -> None:
        if not self.closed:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _expect(self) -> None:
        """From silence to waiting."""
        self._moved = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(self._silence / _LOOKS, self._look)

    def _look(self) -> None:
        self._watch = None
        if not self._pending:
            return
        now, pause = self._loop.time(), self._silence / _LOOKS
        for reply, until, _ in self._pending:
            if until <= now + pause and not reply.done():
                reply.set_exception(TimeoutError("no reply within the budget"))
        if now >= self._due():
            self.close(f"no reply for {self._silence:g} s")
        else:
            self._watch = self._loop.call_later(pause, self._look)

    def _due(self) -> float:
        """When the next reply is overdue. Whatever was sent before its command has been
        answered, so what was sent after it does not matter."""
        _, until, leaving = self._pending[0]
        due = self._moved + self._silence
        return max(due, min(due + leaving, until))


def _ignore(reply: "asyncio.Future[Any]") -> None:
    if not reply.cancelled():
        reply.exception()
