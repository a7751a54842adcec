"""Between a process and the server: connections, and what happens to what they carry.

redis-py is left out: where the store takes its connection over, and where it
subscribes, it gets one of these. Everything above is the store's own code, and bytes
cross the wire.

A connection is TCP: in order, and what is late holds up what follows. What is lost is
never followed by anything, until one of the two gives up. What was sent before its
sender gave up may still arrive.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self

import hiredis
from redis.asyncio.connection import Connection

from .loop import Loop, World
from .server import Server


class Fault(NamedTuple):
    """Of one message."""

    kind: str
    seconds: float = 0.0


REQUEST_LOST, REPLY_LOST = "request lost", "reply lost"
REQUEST_LATE, REPLY_LATE = "request late", "reply late"
RESET_BEFORE, RESET_AFTER = "reset before", "reset after"
LOADING, BUSY, NOSCRIPT = "LOADING", "BUSY", "NOSCRIPT"
KINDS = (
    REQUEST_LOST,
    REPLY_LOST,
    REQUEST_LATE,
    REPLY_LATE,
    RESET_BEFORE,
    RESET_AFTER,
    LOADING,
    BUSY,
    NOSCRIPT,
)
_REPLIES = {
    LOADING: b"-LOADING Redis is loading the dataset in memory\r\n",
    BUSY: b"-BUSY Redis is busy running a script.\r\n",
    NOSCRIPT: b"-NOSCRIPT No matching script. Please use EVAL.\r\n",
}

_FINE = Fault("")


def _makes_sense(kind: str, command: list[bytes]) -> bool:
    return kind != NOSCRIPT or command[0] == b"EVALSHA"


class Faults(NamedTuple):
    """Of the messages of one process."""

    by_number: dict[int, Fault]
    aimed: dict[tuple[bytes, int], Fault]
    """By the digest of a script, and which of its runs."""


class Wire:
    """Of one process."""

    def __init__(
        self,
        world: World,
        server: Server,
        loop: Loop,
        process: int,
        faults: "Faults",
        disturbed: Callable[[int, Fault], None],
        seed: int,
    ) -> None:
        self.world = world
        self.server = server
        self.loop = loop
        self.process = process
        self.faults = faults
        self._disturbed = disturbed
        self._random = Random(seed).random
        self._ordinal = 0
        self._scripts: Counter[bytes] = Counter()

    def latency(self) -> float:
        return 0.0002 + 0.002 * self._random()

    def next_fault(self, command: list[bytes] | None = None) -> Fault:
        """Asked once for each message."""
        self._ordinal += 1
        fault = self.faults.by_number.get(self._ordinal)
        if fault is None and self.faults.aimed and command and command[0] == b"EVALSHA":
            self._scripts[command[1]] += 1
            fault = self.faults.aimed.get((command[1], self._scripts[command[1]]))
        if fault is None:
            return _FINE
        self._disturbed(self.process, fault)
        return fault

    async def connect(self) -> "Link":
        """Raises ConnectionError."""
        fault, server = self.next_fault(), self.server
        late = fault.seconds if fault.kind in (REQUEST_LATE, REPLY_LATE) else 0.0
        await asyncio.sleep(self.latency() + late)
        if fault.kind in (REQUEST_LOST, REPLY_LOST):
            await self.loop.create_future()
        if server.down or fault.kind in (RESET_BEFORE, RESET_AFTER):
            raise ConnectionError("connection refused")
        if server.stalled_until > self.world.now:
            await asyncio.sleep(server.stalled_until - self.world.now)
        if server.down:
            raise ConnectionError("connection reset")
        return Link(self)


class Link:
    """A connection, with both its ends."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._server = wire.server
        self._reader = hiredis.Reader()
        self._requests_until = self._replies_until = wire.world.now
        self._requests_end = self._replies_end = False
        self._channels: list[bytes] = []
        self.heard: Callable[[bytes], None] = lambda _: None
        self.lost: Callable[[Exception | None], None] = lambda _: None
        self.open = True
        """At the server."""
        self.held = True
        """By the process."""
        wire.server.links[self] = None

    def is_held_by(self, wire: Wire) -> bool:
        return self.held and self._wire is wire

    # The process's end.

    def write(self, data: bytes) -> None:
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            self.send(command)

    def send(self, command: list[bytes]) -> None:
        wire = self._wire
        fault = wire.next_fault(command)
        if fault.kind == REQUEST_LOST:
            self._requests_end = True
        if self._requests_end:
            return
        late = fault.seconds if fault.kind == REQUEST_LATE else 0.0
        when = max(self._requests_until, wire.world.now + wire.latency() + late)
        self._requests_until = when
        wire.world.call_at(when, self._arrive, command, fault)

    def give_up(self) -> None:
        """What was sent may still arrive; nobody hears the replies."""
        if self.held:
            self.held = False
            self._wire.world.call_at(
                max(self._requests_until, self._wire.world.now), self._end
            )

    # The server's end.

    def _arrive(self, command: list[bytes], fault: Fault) -> None:
        server, world = self._server, self._wire.world
        if not self.open:
            return
        if server.stalled_until > world.now:
            world.call_at(server.stalled_until, self._arrive, command, fault)
            return
        if fault.kind == RESET_BEFORE:
            self.reset()
            return
        if fault.kind in _REPLIES and _makes_sense(fault.kind, command):
            reply = _REPLIES[fault.kind]
        elif command[0] == b"SUBSCRIBE":
            server.subscriptions[command[1]][self] = None
            self._channels.append(command[1])
            reply = b"subscribe"
        elif command[0] == b"PING" and self._channels:
            reply = b"pong"
        else:
            reply = server.execute(command, self._wire.process)
        if fault.kind == RESET_AFTER:
            self.reset()
            return
        if fault.kind == REPLY_LOST:
            self._replies_end = True
        late = fault.seconds if fault.kind == REPLY_LATE else 0.0
        self._reply(reply, late)

    def _reply(self, reply: bytes, late: float = 0.0) -> None:
        world = self._wire.world
        if self._replies_end or not self.open:
            return
        when = max(self._replies_until, world.now + self._wire.latency() + late)
        self._replies_until = when
        world.deliver_at(when, self._wire.loop, self._hear, reply)

    def _hear(self, reply: bytes) -> None:
        if self.held:
            self.heard(reply)

    def publish(self, channel: bytes, message: bytes) -> None:
        fault = self._wire.next_fault()
        if fault.kind in (REQUEST_LOST, REPLY_LOST):
            self._replies_end = True
        elif fault.kind in (RESET_AFTER, RESET_BEFORE):
            self.reset()
        self._reply(b"message " + message, fault.seconds)

    def reset(self) -> None:
        self._leave()
        if self.held and not self._replies_end:
            # With what is on its way behind it, as the network delivers it or not.
            self.held = False
            lost = ConnectionResetError("connection reset by peer")
            self._wire.loop.call_soon(self.lost, lost)

    def _end(self) -> None:
        """A server that stands still reads first what has come."""
        until = self._server.stalled_until
        if until > self._wire.world.now:
            self._wire.world.call_at(until, self._end)
        else:
            self._leave()

    def _leave(self) -> None:
        self.open = False
        self._server.links.pop(self, None)
        for channel in self._channels:
            self._server.subscriptions[channel].pop(self, None)


class Transport:
    """What the store's line writes to."""

    def __init__(self, link: Link, loop: Loop) -> None:
        self._link = link
        self._loop = loop
        self.write = link.write

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self._link.heard = protocol.data_received
        self._link.lost = protocol.connection_lost
        self._protocol = protocol

    def abort(self) -> None:
        if self._link.held:
            self._link.give_up()
            self._loop.call_soon(self._protocol.connection_lost, None)

    close = abort

    def is_closing(self) -> bool:
        return not self._link.held


class Stream(asyncio.StreamWriter):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __del__(self) -> None:
        """Its link is closed with the world."""


class Opened(Connection):
    """A connection of redis-py, as far as the store looks at one."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = self._writer = None
        self._link: Link | None = None

    async def connect(self) -> None:
        self._link = await self._wire.connect()
        transport = Transport(self._link, self._wire.loop)
        self._writer = Stream(transport)

    async def disconnect(self, *_: Any, **__: Any) -> None:
        if self._link is not None:
            self._link.give_up()

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    def __del__(self, *_: Any) -> None:
        """As for the stream."""


class Pool:
    connection_class = Opened

    def __init__(self, wire: Wire) -> None:
        self.connection_kwargs: dict[str, Any] = {}
        self._wire = wire

    def make_connection(self) -> Opened:
        return Opened(self._wire)


class Client:
    """In place of redis.asyncio.Redis."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.connection_pool = Pool(wire)

    def pubsub(self) -> "PubSub":
        return PubSub(self._wire)

    async def aclose(self) -> None: ...


class PubSub:
    """A subscription, as redis-py gives it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._link: Link | None = None
        self._came: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._link is not None:
            self._link.give_up()

    async def subscribe(self, channel: str) -> None:
        self._link = await self._wire.connect()
        self._link.heard, self._link.lost = self._hear, self._end
        self._link.send([b"SUBSCRIBE", channel.encode()])

    async def ping(self) -> None:
        if self._lost is not None:
            raise self._lost
        assert self._link is not None
        self._link.send([b"PING"])

    async def get_message(self, timeout: float) -> dict[str, Any] | None:
        if not self._came and self._lost is None:
            self._waiter = self._wire.loop.create_future()
            timer = self._wire.loop.call_later(timeout, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        if self._came:
            kind, _, data = self._came.popleft().partition(b" ")
            return {"type": kind.decode(), "data": data}
        if self._lost is not None:
            raise self._lost
        return None

    def _hear(self, message: bytes) -> None:
        if message.startswith(b"-"):
            self._end(ConnectionError(message.decode()))
            return
        self._came.append(message)
        self._wake()

    def _end(self, lost: Exception | None) -> None:
        self._lost = lost or ConnectionError("closed")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
