"""What lies between a process and the server: connections that are slow, lose, and end.

A connection is TCP as an application sees it: bytes come in their order or not at all.
So what is lost takes everything after it along, and what was sent may still arrive
after its sender has given up.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import hiredis
from redis.asyncio.connection import Connection as RedisConnection

from .server import Reply, Server, ServerError
from .world import Loop, World


@dataclass(slots=True)
class Faults:
    """Of single messages. Each one that happens has a number, so that a schedule can be
    repeated without it.
    """

    slow: float = 0.0
    """The share of messages that take seconds."""
    lost: float = 0.0
    reset: float = 0.0
    suppressed: frozenset[int] = frozenset()
    happened: list[tuple[float, str]] = field(default_factory=list)

    def happens(self, share: float, what: str, world: World) -> bool:
        if not share or world.random.random() >= share:
            return False
        number = len(self.happened)
        self.happened.append((world.now, what))
        return number not in self.suppressed


class Network:
    """Of one schedule: from any process to the one server."""

    def __init__(self, world: World, server: Server, faults: Faults) -> None:
        self.world = world
        self.server = server
        self.faults = faults
        self.up = True
        self._links: set[Link] = set()

    def break_all(self) -> None:
        """The server has gone: what is on its way to it is lost, and what is on its way
        from it may be."""
        for link in list(self._links):
            link.end()

    async def connect(self, loop: Loop) -> "Link":
        """Raises OSError."""
        await asyncio.sleep(self.latency())
        if not self.up:
            raise ConnectionRefusedError("the server is down")
        link = Link(self, loop)
        self._links.add(link)
        return link

    def forget(self, link: "Link") -> None:
        self._links.discard(link)

    def process_died(self, loop: Loop) -> None:
        """Its kernel closes its connections; what was sent is still carried out."""
        for link in [link for link in self._links if link.loop is loop]:
            self._links.discard(link)
            link.hung_up = True

    def latency(self) -> float:
        if self.faults.happens(self.faults.slow, "slow", self.world):
            return (
                self.world.random.choice((0.3, 1.5, 4.0)) * self.world.random.random()
            )
        return self.world.random.uniform(0.0001, 0.002)


class Link(asyncio.Transport):
    """One connection, as a transport of the process's event loop."""

    def __init__(self, network: Network, loop: Loop) -> None:
        super().__init__()
        self.loop = loop
        self.hung_up = False
        """The process has closed its end, or is gone."""
        self._network = network
        self._world = network.world
        self._requests = hiredis.Reader()
        self._protocol: asyncio.Protocol | None = None
        self._broken = self._ended = False
        self._there = self._back = 0.0
        """When what was sent last arrives, in each direction."""

    # The process's end

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        return self.hung_up

    def write(self, data: Any) -> None:
        if self.hung_up or self._ended:
            return
        world, faults = self._world, self._network.faults
        if faults.happens(faults.reset, "reset", world):
            # Before or after the server has read it.
            arrives = world.now + world.random.choice((0.0, 0.0015))
            world.at(arrives, self.end)
        if self._broken or faults.happens(faults.lost, "lost request", world):
            self._broken = True
            return
        self._there = max(self._there, world.now + self._network.latency())
        world.at(self._there, self._arrive, bytes(data))

    def abort(self) -> None:
        """What was sent is still on its way."""
        if not self.hung_up:
            self.hung_up = True
            self._network.forget(self)
            self.loop.call_soon(self._lost, None)

    close = abort

    def _lost(self, error: Exception | None) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(error)

    # The server's end

    def end(self) -> None:
        """The server, or something in between, closes it."""
        if not self._ended:
            self._ended = True
            self._network.forget(self)
            self.loop.call_soon(self._lost, ConnectionResetError("reset"))

    def _arrive(self, data: bytes) -> None:
        if self._ended or not self._network.up:
            return
        self._requests.feed(data)
        replies = b""
        while (command := self._requests.gets()) is not False:
            replies += encoded(self._network.server.execute(command))
        if self.hung_up:
            return
        world, faults = self._world, self._network.faults
        if self._broken or faults.happens(faults.lost, "lost reply", world):
            self._broken = True
            return
        self._back = max(self._back, world.now + self._network.latency())
        world.at(self._back, self._answer, replies)

    def _answer(self, replies: bytes) -> None:
        if not self._ended:
            self.loop.call_soon(self._read, replies)

    def _read(self, replies: bytes) -> None:
        if self._protocol is not None and not self.hung_up:
            self._protocol.data_received(replies)


def encoded(reply: Reply) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, ServerError):
        return b"-%b\r\n" % str(reply).encode()
    assert isinstance(reply, list)
    return b"*%d\r\n" % len(reply) + b"".join(map(encoded, reply))


# What RedisStore is given, in place of redis-py's client


class Client:
    """Of one process."""

    def __init__(self, network: Network, loop: Loop) -> None:
        self._network = network
        self._loop = loop
        self.connection_pool = _Pool(network, loop)

    def pubsub(self) -> "Subscription":
        return Subscription(self._network)

    async def aclose(self) -> None:
        """Its connections are the store's."""


class _Pool:
    max_connections = 100
    connection_class = RedisConnection
    connection_kwargs: ClassVar[dict[str, Any]] = {}

    def __init__(self, network: Network, loop: Loop) -> None:
        self._network = network
        self._loop = loop

    def make_connection(self) -> "_Connection":
        return _Connection(self._network, self._loop)


class _Connection:
    """What of redis-py's the store takes over."""

    _connect = RedisConnection._connect
    retry: object = None

    def __init__(self, network: Network, loop: Loop) -> None:
        self._network = network
        self._loop = loop
        self._reader: object = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    async def connect(self) -> None:
        link = await self._network.connect(self._loop)
        protocol = asyncio.Protocol()
        link.set_protocol(protocol)
        self._writer = asyncio.StreamWriter(link, protocol, None, self._loop)

    async def disconnect(self, nowait: bool = False) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


class Subscription:
    """As redis-py's PubSub. Messages may be lost with the connection, and then it is
    some time until anybody notices.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._channel = b""
        self._server_run = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        told = self._network.server.channels.get(self._channel, [])
        if self._hear in told:
            told.remove(self._hear)

    async def subscribe(self, channel: str) -> None:
        await self._alive()
        self._channel = channel.encode()
        server = self._network.server
        self._server_run = server.run_id
        server.channels.setdefault(self._channel, []).append(self._hear)
        self._told.put_nowait({"type": "subscribe", "data": 1})

    async def ping(self) -> None:
        await self._alive()
        if self._network.server.run_id != self._server_run:
            raise ConnectionError("the server was restarted")
        self._told.put_nowait({"type": "pong", "data": b""})

    async def get_message(self, timeout: float) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(timeout):
                return await self._told.get()
        except TimeoutError:
            return None

    async def _alive(self) -> None:
        await asyncio.sleep(self._network.latency())
        if not self._network.up:
            raise ConnectionError("the server is down")

    def _hear(self, channel: bytes, message: bytes) -> None:
        network = self._network
        if network.server.run_id != self._server_run:
            return
        if not network.faults.happens(
            network.faults.lost, "lost wake-up", network.world
        ):
            when = network.world.now + network.latency()
            told = {"type": "message", "channel": channel, "data": message}
            network.world.at(when, self._deliver, told)

    def _deliver(self, told: dict[str, Any]) -> None:
        self._told.put_nowait(told)
