"""Between a client and a Redis server: passes on everything but what it is to spoil."""

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

import hiredis

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST

# Longer than a store of a small budget listens to silence.
_LATE = 0.4

# What passes at once on a slow link.
_PIECE = 1_048_576

# To wait in vain, also on a busy machine.
_LONG_ENOUGH = 15.0


class Fault(Enum):
    LOSE_REQUEST = auto()
    """The server never sees it, and its sender hears nothing any more."""
    LOSE_REPLY = auto()
    """The server has acted, and its sender hears nothing any more."""
    LATE_REQUEST = auto()
    """The server acts when the sender has given up."""
    LATE_REPLY = auto()
    DELAY_REPLY = auto()
    """Until `Spoiled.delayed` is set, or its sender gives up."""
    RESET_BEFORE = auto()
    RESET_AFTER = auto()
    HALF_A_REQUEST = auto()
    """The server sees the beginning of it, and the connection is reset."""
    CORRUPT_REPLY = auto()
    """It begins with a byte that means nothing."""


_BEFORE_THE_SERVER = {
    Fault.LOSE_REQUEST,
    Fault.LATE_REQUEST,
    Fault.RESET_BEFORE,
    Fault.HALF_A_REQUEST,
}


@dataclass
class Spoiled:
    """What is to happen to the next commands that have a certain word."""

    word: bytes
    fault: Fault | bytes
    """Bytes are an error reply, sent in place of the server's."""
    times: int
    fired: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    delayed: asyncio.Event = field(default_factory=asyncio.Event)

    def matches(self, command: list[bytes]) -> bool:
        return self.fired < self.times and self.word in command


class Proxy:
    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._spoiled: list[Spoiled] = []
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._swallows = False
        self._moved = asyncio.Event()
        self._count = 0
        self.port = 0
        self.latency = 0.0
        """Of every reply, in seconds."""
        self.late = _LATE
        """What is late comes so many seconds later."""
        self.trickle = 0.0
        """So many seconds for every MiB, in both directions."""
        self.resets_every = 0
        """So many commands, of all connections together, and one of them is reset."""
        self.commands: Counter[str] = Counter()
        """What came, by name; EVALSHA with its digest."""
        self.round_trips = 0
        """How often something came on a connection where no reply was due."""
        self.most_open = 0
        self.fired = 0
        """Commands that were spoiled."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """Connections that clients hold."""
        return sum(not link.left.is_set() for link in self._links.values())

    def spoil(self, word: str, fault: Fault | str, times: int = 1_000_000) -> Spoiled:
        """Commands with this word: their name, or a script's digest."""
        kind = fault if isinstance(fault, Fault) else b"-%b\r\n" % fault.encode()
        spoiled = Spoiled(word.encode(), kind, times)
        self._spoiled.append(spoiled)
        return spoiled

    def spoil_nothing(self) -> None:
        for spoiled in self._spoiled:
            spoiled.delayed.set()
        self._spoiled.clear()

    def swallow(self) -> None:
        """A black hole: connections are made, and nothing passes in either direction.

        Those that there are now stay dead, as if a router had forgotten them."""
        self._swallows = True
        for link in self._links.values():
            link.dead = True

    def swallow_nothing(self) -> None:
        self._swallows = False

    def say(self, unasked: bytes) -> None:
        """To all clients, as if it came from the server."""
        for link in self._links.values():
            link.tell(unasked)

    def count_anew(self) -> None:
        self.commands.clear()
        self.round_trips = self.most_open = 0

    async def has_come(self, name: str, times: int) -> None:
        """Returns when a command has come so often."""
        async with asyncio.timeout(_LONG_ENOUGH):
            while self.commands[name] < times:
                self._moved.clear()
                await self._moved.wait()

    async def deserted(self) -> None:
        """Returns when there are no connections, and nothing is on its way."""
        async with asyncio.timeout(_LONG_ENOUGH):
            while self._links:
                await asyncio.wait(self._links)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        listening = self._server.sockets[0]
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE // 4)
        self.port = listening.getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(
        self, client: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        link = _Link(self, client, answers, dead=self._swallows)
        task = asyncio.create_task(link.run(self._server_port))
        self._links[task] = link
        self.most_open = max(self.most_open, self.open)
        task.add_done_callback(self._links.pop)
        task.add_done_callback(lambda _: answers.close())  # it may never have begun

    def spoiled(self, command: list[bytes]) -> Spoiled | None:
        """Asked once for each command that comes."""
        self.commands[_name(command)] += 1
        self._moved.set()
        self._count += 1
        if self.resets_every and self._count % self.resets_every == 0:
            return Spoiled(b"", Fault.RESET_AFTER, 1)
        matching = (one for one in self._spoiled if one.matches(command))
        found = next(matching, None)
        if found is not None:
            self.fired += 1
            found.fired += 1
            found.happened.set()
        return found


class _Link:
    """One client's connection; its commands are carried one after the other."""

    def __init__(
        self,
        proxy: Proxy,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        *,
        dead: bool,
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._answers = answers
        self._coming: asyncio.Queue[list[bytes] | None] = asyncio.Queue()
        self._due = 0
        self.left = asyncio.Event()
        self._pushed: asyncio.Task[None] | None = None
        self.dead = dead

    async def run(self, server_port: int) -> None:
        listening = asyncio.create_task(self._listen())
        with suppress(OSError):
            opened = await asyncio.open_connection("127.0.0.1", server_port)
            self._replies, self._requests = opened
            try:
                while command := await self._coming.get():
                    if not await self._carry(command):
                        break
            finally:
                await self._close(listening)

    def tell(self, reply: bytes) -> None:
        self._due -= 1
        after, loop = self._proxy.latency, asyncio.get_running_loop()
        if not after and not self._proxy.trickle:
            self._write(reply)
            return
        for begin in range(0, len(reply), _PIECE):
            loop.call_later(after, self._write, reply[begin : begin + _PIECE])
            after += self._proxy.trickle

    async def _listen(self) -> None:
        """Ahead of the carrying: what comes together was sent together."""
        reader = hiredis.Reader()
        with suppress(OSError):
            while data := await self._client.read(_PIECE):
                reader.feed(data)
                if self._proxy.trickle:
                    await asyncio.sleep(self._proxy.trickle * len(data) / _PIECE)
                while (command := reader.gets()) is not False:
                    self._proxy.round_trips += self._due == 0
                    self._due += 1
                    self._coming.put_nowait(command)
        self.left.set()
        self._coming.put_nowait(None)

    async def _carry(self, command: list[bytes]) -> bool:
        """False where the connection has ended."""
        spoiled = self._proxy.spoiled(command)
        if self.dead:
            spoiled = Spoiled(b"", Fault.LOSE_REQUEST, 1)
        if spoiled is None:
            await self._pass_on(command)
            return True
        if isinstance(spoiled.fault, bytes):
            self.tell(spoiled.fault)
            return True
        if spoiled.fault in _BEFORE_THE_SERVER:
            await self._spoil_request(spoiled.fault, command)
            return False
        return await self._spoil_reply(spoiled, await self._ask(command))

    async def _spoil_request(self, fault: Fault, command: list[bytes]) -> None:
        packed = _packed(command)
        match fault:
            case Fault.LOSE_REQUEST:
                await self.left.wait()
            case Fault.LATE_REQUEST:
                await asyncio.sleep(self._proxy.late)
                await self._ask(command)
            case Fault.HALF_A_REQUEST:
                self._requests.write(packed[: len(packed) // 2])
                self._reset()
            case _:
                self._reset()

    async def _spoil_reply(self, spoiled: Spoiled, reply: bytes) -> bool:
        match spoiled.fault:
            case Fault.LOSE_REPLY:
                await self.left.wait()
                return False
            case Fault.RESET_AFTER:
                self._reset()
                return False
            case Fault.DELAY_REPLY:
                await _first_of(spoiled.delayed, self.left)
            case Fault.LATE_REPLY:
                await asyncio.sleep(self._proxy.late)
            case _:
                reply = b"?" + reply[1:]
        self.tell(reply)
        return True

    async def _close(self, listening: "asyncio.Task[None]") -> None:
        listening.cancel()
        if self._pushed is not None:
            self._pushed.cancel()
        for writer in (self._requests, self._answers):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _pass_on(self, command: list[bytes]) -> None:
        if command[0] == b"SUBSCRIBE":
            # From here on the server speaks unasked.
            self._requests.write(_packed(command))
            self._pushed = asyncio.create_task(self._push())
        elif self._pushed is not None:
            self._requests.write(_packed(command))
        else:
            self.tell(await self._ask(command))

    async def _push(self) -> None:
        while data := await self._replies.read(65_536):
            self.tell(data)

    async def _ask(self, command: list[bytes]) -> bytes:
        self._requests.write(_packed(command))
        reader, raw = hiredis.Reader(), b""
        while reader.gets() is False:
            data = await self._replies.read(1_048_576)
            if not data:
                raise ConnectionError("the server has closed the connection")
            raw += data
            reader.feed(data)
        return raw

    def _write(self, reply: bytes) -> None:
        if not self.dead and not self._answers.is_closing():
            self._answers.write(reply)

    def _reset(self) -> None:
        raw: socket.socket = self._answers.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._answers.transport.abort()


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _name(command: list[bytes]) -> str:
    return b" ".join(command[: 2 if command[0] == b"EVALSHA" else 1]).decode()


def _packed(command: list[bytes]) -> Any:
    return hiredis.pack_command(tuple(command))  # type: ignore[arg-type] # its stub knows tuples of one
