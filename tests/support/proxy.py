"""Between a client and a Redis server: passes on everything but what it is to lose."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """A reply is lost with its connection, after the server has acted."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._word = b""
        self._times = 0
        self._links: set[asyncio.Task[None]] = set()
        self.lost = 0
        self.port = 0

    def lose_replies_of(self, word: str, times: int = 1_000_000) -> None:
        """Of requests that contain this word: a script's digest."""
        self._word, self._times = word.encode(), times

    def lose_nothing(self) -> None:
        self._times = 0

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
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(
        self, client: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        port = self._server_port
        replies, requests = await asyncio.open_connection("127.0.0.1", port)
        try:
            with suppress(OSError):
                await self._converse(client, answers, replies, requests)
        finally:
            for writer in (requests, answers):
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _converse(
        self,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        replies: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        """redis-py sends one command a connection, so a request has one reply."""
        while data := await client.read(65_536):
            requests.write(data)
            reply = await replies.read(65_536)
            if self._times and self._word in data:
                self._times -= 1
                self.lost += 1
                return
            answers.write(reply)
