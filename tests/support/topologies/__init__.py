"""Redis as people run it, as processes on loopback: one file per topology."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from .access_control import access_control
from .cluster import Cluster, cluster
from .node import Node, nodes, start, until
from .sentinel import Sentinels, sentinels
from .single import Single, password, standalone, unix_socket
from .tls import NoTlsError, tls

__all__ = [
    "Cluster",
    "NoTlsError",
    "Node",
    "Sentinels",
    "Single",
    "Topology",
    "access_control",
    "cluster",
    "nodes",
    "password",
    "sentinels",
    "standalone",
    "start",
    "tls",
    "unix_socket",
    "until",
]


class Topology(Protocol):
    @property
    def members(self) -> Sequence[Node]:
        """The servers that hold records, replicas included."""

    def holder(self, name: bytes, /) -> Node:
        """The server that holds the record of this name."""

    def heal(self) -> None:
        """Everybody is well again, or TimeoutError."""

    def client(
        self, protocol: int = 3
    ) -> AbstractAsyncContextManager[Redis | RedisCluster]:
        """As somebody who runs this would build it, with RESP 2 or 3."""
