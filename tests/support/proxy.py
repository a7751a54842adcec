"""Between a client and a Redis server: passes on everything but what it is to spoil."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

import hiredis

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Fault(Enum):
    LOSE_REQUEST = auto()
    """The server never sees it, and its sender hears nothing any more."""
    LOSE_REPLY = auto()
    """The server has acted, and its sender hears nothing any more."""
    RESET_BEFORE = auto()
    RESET_AFTER = auto()
    DELAY_REPLY = auto()
    """Until `Proxy.deliver_delayed`."""


@dataclass
class Spoiled:
    """What is to happen to the next commands that contain a word."""

    word: bytes
    fault: Fault | bytes
    """Bytes are an error reply, sent in place of the server's."""
    times: int
    fired: int = 0
    delayed: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._spoiled: list[Spoiled] = []
        self._links: set[asyncio.Task[None]] = set()
        self.commands: Counter[str] = Counter()
        self.bursts = 0
        """How often something came from clients: their round trips."""
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def spoil(self, word: str, fault: Fault | str, times: int = 1_000_000) -> Spoiled:
        """Commands that contain the word, such as a script's digest."""
        kind = fault if isinstance(fault, Fault) else b"-%b\r\n" % fault.encode()
        spoiled = Spoiled(word.encode(), kind, times)
        self._spoiled.append(spoiled)
        return spoiled

    def spoil_nothing(self) -> None:
        for spoiled in self._spoiled:
            spoiled.delayed.set()
        self._spoiled.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        link.add_done_callback(lambda _: writer.close())  # it may never have begun

    async def _link(
        self, client: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        port = self._server_port
        with suppress(OSError):
            replies, requests = await asyncio.open_connection("127.0.0.1", port)
            link = _Link(self._fault_for, client, answers, replies, requests)
            try:
                await self._converse(link)
            finally:
                await link.close()

    async def _converse(self, link: "_Link") -> None:
        while data := await link.client.read(65_536):
            self.bursts += 1
            for command in link.commands(data):
                self.commands[_name(command)] += 1
                if not await link.carry(command):
                    return

    def _fault_for(self, command: list[bytes]) -> Spoiled | None:
        for spoiled in self._spoiled:
            if spoiled.fired < spoiled.times and spoiled.word in b" ".join(command):
                spoiled.fired += 1
                return spoiled
        return None


class _Link:
    """One client's connection; its commands are carried one after the other."""

    def __init__(
        self,
        fault_for: Callable[[list[bytes]], Spoiled | None],
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        replies: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        self._fault_for = fault_for
        self.client = client
        self._answers = answers
        self._replies = replies
        self._requests = requests
        self._incoming = hiredis.Reader()
        self._pushed: asyncio.Task[None] | None = None

    def commands(self, data: bytes) -> list[list[bytes]]:
        self._incoming.feed(data)
        found = []
        while (command := self._incoming.gets()) is not False:
            found.append(command)
        return found

    async def carry(self, command: list[bytes]) -> bool:
        """False where the connection has ended."""
        spoiled = self._fault_for(command)
        match spoiled and spoiled.fault:
            case None:
                await self._pass_on(command)
            case bytes() as error:
                self._answers.write(error)
            case Fault.LOSE_REQUEST:
                await self._fall_silent()
            case Fault.LOSE_REPLY:
                await self._ask(command)
                await self._fall_silent()
            case Fault.RESET_BEFORE:
                self._reset()
                return False
            case Fault.RESET_AFTER:
                await self._ask(command)
                self._reset()
                return False
            case Fault.DELAY_REPLY:
                reply = await self._ask(command)
                assert spoiled is not None
                await spoiled.delayed.wait()
                self._answers.write(reply)
        return True

    async def close(self) -> None:
        if self._pushed is not None:
            self._pushed.cancel()
        for writer in (self._requests, self._answers):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _pass_on(self, command: list[bytes]) -> None:
        if _name(command) == "SUBSCRIBE":
            # From here on the server speaks unasked.
            self._requests.write(_packed(command))
            self._pushed = asyncio.create_task(self._push())
        elif self._pushed is not None:
            self._requests.write(_packed(command))
        else:
            self._answers.write(await self._ask(command))

    async def _push(self) -> None:
        while data := await self._replies.read(65_536):
            self._answers.write(data)

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

    async def _fall_silent(self) -> None:
        while await self.client.read(65_536):
            pass
        raise ConnectionError("the client has given up")

    def _reset(self) -> None:
        raw: socket.socket = self._answers.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._answers.transport.abort()


def _name(command: list[bytes]) -> str:
    return command[0].decode().upper()


def _packed(command: list[bytes]) -> Any:
    return hiredis.pack_command(tuple(command))  # type: ignore[arg-type] # its stub knows tuples of one
