"""Which server holds a key: the only one there is, or the cluster node of its slot."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.connection import UnixDomainSocketConnection as UnixConnection
from redis.exceptions import RedisClusterException, RedisError

from .endpoint import Endpoint, Greet, Reach
from .line import Line
from .pooled_line import PooledLine, places
from .shared_line import reach

_OPEN_SOCKETS = (Connection._connect, UnixConnection._connect)  # noqa: SLF001 - as below


class Topology(Protocol):
    def endpoint(self, name: bytes) -> Endpoint | None:
        """None where it has to be learned first."""

    def at(self, address: str) -> Endpoint | None:
        """A server that another one named, as host:port."""

    def endpoints(self) -> list[Endpoint]:
        """Every server that holds records."""

    async def learn(self) -> None:
        """Find out anew who holds what. Raises OSError."""

    async def aclose(self) -> None: ...


def topology(client: Redis | RedisCluster, greet: Greet, silence: float) -> Topology:
    if isinstance(client, RedisCluster):
        return Cluster(client, greet, silence)
    pool = client.connection_pool
    if opens_sockets(pool.connection_class):
        return Single(Endpoint(reaching(pool.make_connection, silence), greet))
    return Single(Endpoint(_pooling(client, silence), greet))


class Single:
    """One server; with Sentinel, whichever is the primary when a line is opened."""

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
        self._silence = silence
        self._endpoints: dict[str, Endpoint] = {}

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
            async with asyncio.timeout(self._silence):
                await self._client.initialize()
                await self._client.nodes_manager.initialize()
        except (RedisError, RedisClusterException) as lost:
            raise ConnectionError(f"no node of the cluster answered: {lost}") from lost
        primaries = {node.name for node in self._client.get_primaries()}
        for name, endpoint in list(self._endpoints.items()):
            if name not in primaries:
                endpoint.close("the node is no primary any more")

    async def aclose(self) -> None:
        for endpoint in list(self._endpoints.values()):
            await endpoint.aclose()

    def _of(self, node: ClusterNode) -> Endpoint:
        if node.name not in self._endpoints:
            connect = partial(node.connection_class, **node.connection_kwargs)
            reach = reaching(connect, self._silence)
            self._endpoints[node.name] = Endpoint(reach, self._greet)
        return self._endpoints[node.name]


def opens_sockets(connection_class: type[AbstractConnection]) -> bool:
    """Others have no connection that could be taken over: fakeredis has none at all."""
    return connection_class._connect in _OPEN_SOCKETS  # noqa: SLF001 - that is the question


def reaching(connect: Callable[[], AbstractConnection], silence: float) -> Reach:
    async def open_() -> Line:
        return await reach(connect(), silence)

    return open_


def _pooling(client: Redis, silence: float) -> Reach:
    all_places = places(client)

    async def open_() -> Line:
        return PooledLine(client, silence, all_places)

    return open_
