"""The limit of one Python process: the floor's commands on one connection that all
requests share, without redis-py.

It has no time limits, no reconnection and no retries: a limit, and not an alternative.
"""

import asyncio
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import hiredis


class Pipelined(asyncio.Protocol):
    """Commands go out as they come, and replies belong to them in their order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(reply)

    def ask(self, *command: bytes | int) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        self._waiting.append(future)
        packed = hiredis.pack_command(command)  # type: ignore[arg-type] # hiredis's gap
        self._transport.write(packed)
        return future


class RawCommands:
    """The commands of the floor."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 0
        self._line: Pipelined | None = None
        self._opening = asyncio.Lock()

    async def get(self, key: bytes) -> Any:
        return await (self._line or await self._open()).ask(b"GET", key)

    async def set(self, key: bytes, value: bytes, *, px: int, nx: bool = False) -> Any:
        line = self._line or await self._open()
        condition = (b"NX",) if nx else ()
        return await line.ask(b"SET", key, value, b"PX", px, *condition)

    async def _open(self) -> Pipelined:
        async with self._opening:
            if self._line is None:
                loop = asyncio.get_running_loop()
                _, self._line = await loop.create_connection(
                    Pipelined, self._host, self._port
                )
            return self._line
