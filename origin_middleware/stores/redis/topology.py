"""Which server holds a key: the only one there is, or the cluster node of its slot."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import IntEnum, auto
from functools import partial
from math import ceil
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
)

from ...errors import StoreUnavailable
from .connection import Connections, ConnectTimeout, opens_sockets
from .line import Line, error_reply, now

# So many hash tags find a slot of every server that has a fair share of them.
_TAGS = 1024

Connect = Callable[[], Awaitable[Line]]
_Make = Callable[[], AbstractConnection]
Greet = Callable[["Endpoint", Line], Awaitable[None]]
"""Learns what has to be known of a server that was just connected to."""


class Purpose(IntEnum):
    """What is slow has a line of its own, so that nothing quick waits behind it."""

    MAIN = auto()
    LARGE = auto()
    """Bodies of large responses."""
    REPLICAS = auto()
    """Claims that wait for replicas."""


class Endpoint:
    """One server, and the lines to it: opened when needed, and again when lost."""

    def __init__(
        self, connect: Connect, greet: Greet, tag: Callable[[], str] = lambda: "0"
    ) -> None:
        self._connect = connect
        self._greet = greet
        self.tag = tag
        """A hash tag of which this server holds the slot; '' where it holds none."""
        self._lines: dict[Purpose, Line] = {}
        self._opening: dict[Purpose, asyncio.Task[Line]] = {}
        self.offset = 0
        """From our event loop's clock to the server's, in ms."""
        self.quarantine = 0.0
        """Until then, on the loop's clock, it is not trusted with new claims."""
        self.latest: tuple[bytes, float, float] | None = None
        """The latest claim that it acknowledged, when, and for how many seconds it is
        kept."""

    def line(self, purpose: Purpose) -> Line | None:
        """The line, where it is open."""
        line = self._lines.get(purpose)
        return None if line is None or line.closed else line

    async def open(self, purpose: Purpose, until: float) -> Line:
        """Raises OSError where there is no connection by `until`, and ErrorReply;
        StoreUnavailable where the store is closed meanwhile.
        """
        line = self.line(purpose)
        if line is not None:
            return line
        task = self._opening.get(purpose)
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(self._opened(purpose))
            task.add_done_callback(_retrieve)
            self._opening[purpose] = task
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not task.cancelled() or (caller is not None and caller.cancelling()):
                raise
            raise StoreUnavailable("The store was closed.") from None

    async def read_clock(self, line: Line, until: float) -> None:
        """Raises as `Line.send`."""
        reply = await line.send(("TIME",), until)
        try:
            [seconds, microseconds] = reply if isinstance(reply, (list, tuple)) else []
            clock = int(seconds) * 1000 + int(microseconds) // 1000
        except (TypeError, ValueError):
            raise ConnectionError(f"TIME was answered with {reply!r:.60}") from None
        self.offset = clock - ceil(now() * 1000)

    def close(self, reason: str) -> None:
        for line in self._lines.values():
            line.close(reason)

    async def aclose(self) -> None:
        for task in list(self._opening.values()):
            task.cancel()
            await asyncio.wait([task])
        lines = list(self._lines.values())
        self.close("the store was closed")
        for line in lines:
            await line.wait_closed()

    async def _opened(self, purpose: Purpose) -> Line:
        line = await self._connect()
        if purpose is Purpose.MAIN:
            try:
                await self._greet(self, line)
            except BaseException:
                line.close("the server was not accepted")
                raise
        self._lines[purpose] = line
        if purpose is Purpose.MAIN:
            for other, line_before in self._lines.items():
                if other is not Purpose.MAIN:
                    # It may lead to a primary that is none any more.
                    line_before.close("another connection was lost")
        return line


def _retrieve(task: "asyncio.Task[Line]") -> None:
    """Every waiter may be gone by now, and asyncio would complain."""
    if not task.cancelled():
        task.exception()


def places(client: Any) -> frozenset[object]:
    """Where it finds its database. Two clients with a place in common share it."""
    if isinstance(client, RedisCluster):
        nodes = client.nodes_manager.startup_nodes.values()
        return frozenset((_address(node.host, node.port), "", 0) for node in nodes)
    pool = client.connection_pool
    database = int(pool.connection_kwargs.get("db") or 0)
    if isinstance(pool, SentinelConnectionPool):
        pools = [each.connection_pool for each in pool.sentinel_manager.sentinels]
        return frozenset((_place(each), pool.service_name, database) for each in pools)
    if not opens_sockets(pool.connection_class):
        return frozenset([pool])
    return frozenset([(_place(pool), "", database)])


def _place(pool: ConnectionPool) -> str:
    settings = pool.connection_kwargs
    tcp = _address(settings.get("host", "localhost"), settings.get("port", 6379))
    return str(settings.get("path", tcp))


def _address(host: str, port: str | int) -> str:
    host = str(host).lower()
    return f"{'127.0.0.1' if host == 'localhost' else host}:{port}"


class Topology(Protocol):
    def endpoint(self, name: bytes) -> Endpoint | None:
        """None where it has to be learned first."""

    def at(self, address: str) -> Endpoint | None:
        """A server that another one named, as host:port."""

    def endpoints(self) -> list[Endpoint]:
        """Every server that holds records."""

    async def learn(self) -> None:
        """Find out anew who holds what. Raises OSError, and ErrorReply."""

    async def aclose(self) -> None: ...


def topology(client: Redis | RedisCluster, greet: Greet, silence: float) -> Topology:
    if isinstance(client, RedisCluster):
        return Cluster(client, greet, silence)
    pool = client.connection_pool
    make = pool.make_connection
    if isinstance(pool, SentinelConnectionPool):
        make = _with_all_sentinels(make, pool.sentinel_manager)
    return Single(Endpoint(Connections(make, lambda: client, silence).open, greet))


def _with_all_sentinels(make: _Make, manager: Sentinel) -> _Make:
    """When two connections look for the primary at once, redis-py may list one sentinel
    twice and forget another, which could be the last one that is up.
    """
    sentinels = list(manager.sentinels)

    def made() -> AbstractConnection:
        if len(set(manager.sentinels)) < len(sentinels):
            manager.sentinels = sentinels.copy()
        return make()

    return made


class Single:
    """One server; with Sentinel, the one that is the primary when a line is opened."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def endpoint(self, _: bytes) -> Endpoint:
        return self._endpoint

    def at(self, _: str) -> None:
        return None

    def endpoints(self) -> list[Endpoint]:
        return [self._endpoint]

    async def learn(self) -> None:
        """There is nothing to learn."""

    async def aclose(self) -> None:
        await self._endpoint.aclose()


class Cluster:
    """redis-py learns the slots; the lines to the nodes are ours."""

    def __init__(self, client: RedisCluster, greet: Greet, silence: float) -> None:
        self._client = client
        self._greet = greet
        self._timeout = ConnectTimeout(silence)
        self._endpoints: dict[str, Endpoint] = {}
        self._pools: list[ConnectionPool] = []

    def endpoint(self, name: bytes) -> Endpoint | None:
        nodes = self._client.nodes_manager
        try:
            return self._of(nodes.get_node_from_slot(self._client.keyslot(name)))
        except (KeyError, RedisClusterException):
            return None

    def at(self, address: str) -> Endpoint | None:
        node = self._client.get_node(node_name=address)
        if node is None:  # it has no slots yet
            host, _, port = address.rpartition(":")
            settings: dict[str, Any] = dict(self._client.get_connection_kwargs())
            node = ClusterNode(host, int(port), **settings)
        return self._of(node)

    def endpoints(self) -> list[Endpoint]:
        return [self._of(node) for node in self._client.get_primaries()]

    async def learn(self) -> None:
        try:
            async with self._timeout.attempt():
                await self._client.initialize()
                await self._client.nodes_manager.initialize()
        # A RuntimeError, where another event loop has a lock of the client.
        except (RedisError, RedisClusterException, RuntimeError) as lost:
            if isinstance(lost.__cause__, (AuthenticationError, NoPermissionError)):
                raise error_reply(lost.__cause__) from lost
            raise ConnectionError(f"no node of the cluster answered: {lost}") from lost
        primaries = {node.name for node in self._client.get_primaries()}
        for name, endpoint in list(self._endpoints.items()):
            if name not in primaries:
                endpoint.close("the node is no primary any more")

    async def aclose(self) -> None:
        for endpoint in list(self._endpoints.values()):
            await endpoint.aclose()
        for pool in self._pools:
            await pool.aclose()

    def _of(self, node: ClusterNode) -> Endpoint:
        if node.name not in self._endpoints:
            make = partial(node.connection_class, **node.connection_kwargs)
            connections = Connections(
                make, partial(self._pool, node), self._timeout.silence
            )
            tag = partial(self._tag, node.name)
            self._endpoints[node.name] = Endpoint(connections.open, self._greet, tag)
        return self._endpoints[node.name]

    def _tag(self, name: str) -> str:
        nodes = self._client.nodes_manager
        for tag in map(str, range(_TAGS)):
            with suppress(KeyError, RedisClusterException):
                slot = self._client.keyslot(tag)
                if nodes.get_node_from_slot(slot).name == name:
                    return tag
        return ""

    def _pool(self, node: ClusterNode) -> Redis:
        """A node has no pool in which connections that were lost are replaced."""
        pool = ConnectionPool(node.connection_class, **node.connection_kwargs)
        self._pools.append(pool)
        return Redis(connection_pool=pool)
