"""One server, and how its clients reach it: over TCP, with a password, or a socket."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from .node import NOT_PERSISTENT, Node, nodes, revive, start, until

PASSWORD = "for-clients"


@dataclass(frozen=True)
class Single:
    node: Node
    options: Mapping[str, Any]
    """Of redis-py's client."""

    @property
    def members(self) -> list[Node]:
        return [self.node]

    def holder(self, _: bytes) -> Node:
        return self.node

    def heal(self) -> None:
        revive(self.members)
        until(lambda: self.node.ask("PING") in (True, b"PONG"), "it answers")

    @asynccontextmanager
    async def client(self, protocol: int = 3) -> AsyncIterator[Redis]:
        async with Redis(**self.options, protocol=protocol) as client:
            yield client


@contextmanager
def single(
    binary: Path, *server_options: str, password: str | None = None
) -> Iterator[Node]:
    with nodes() as (directory, started):
        options = (*NOT_PERSISTENT, *server_options)
        started.append(Node(binary, directory / "0", *options, password=password))
        start(started)
        yield started[0]


@contextmanager
def standalone(binary: Path) -> Iterator[Single]:
    with single(binary) as node:
        yield Single(node, {"port": node.port})


@contextmanager
def unix_socket(binary: Path) -> Iterator[Single]:
    with nodes() as (directory, started):
        path = str(directory / "socket")
        options = (*NOT_PERSISTENT, "--unixsocket", path, "--unixsocketperm", "700")
        started.append(Node(binary, directory / "0", *options))
        start(started)
        yield Single(started[0], {"unix_socket_path": path})


@contextmanager
def password(binary: Path) -> Iterator[Single]:
    with single(binary, "--requirepass", PASSWORD, password=PASSWORD) as node:
        yield Single(node, {"port": node.port, "password": PASSWORD})
