"""A cluster of three primaries with a replica each."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count, permutations
from pathlib import Path

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

from .cluster_view import (
    identity,
    is_primary,
    is_up,
    is_whole,
    known,
    primary_identity,
    serves,
)
from .migration import Migration
from .node import REPLICATED, Node, nodes, revive, silence, start, until

_SLOTS = 16_384

# ms of silence, and a member is given up. On a busy machine one that is well may be
# silent for a while; so they are hasty only where one of them has gone.
_PATIENT, _HASTY = 15_000, 500

_MEMBER = (
    *REPLICATED,
    *("--cluster-enabled", "yes", "--cluster-node-timeout", str(_PATIENT)),
)


class Cluster:
    def __init__(self, members: Sequence[Node]) -> None:
        self.members = members

    @asynccontextmanager
    async def client(self, protocol: int = 3) -> AsyncIterator[RedisCluster]:
        known = [ClusterNode("127.0.0.1", node.port) for node in self.members]
        async with RedisCluster(startup_nodes=known, protocol=protocol) as client:
            yield client

    def holder(self, name: bytes) -> Node:
        return self.primary_of(name)

    def primary_of(self, name: bytes) -> Node:
        return self._primary_of_slot(key_slot(name))

    def replica_of(self, primary: Node) -> Node:
        own = identity(primary)
        return next(n for n in self._alive() if primary_identity(n) == own)

    def migration(self, name: bytes) -> Migration:
        """Of the slot of this key, to another primary."""
        source = self.primary_of(name)
        target = next(n for n in self._primaries() if n is not source)
        return Migration(key_slot(name), source, target, self._primaries())

    def fail_over(self, name: bytes) -> None:
        """As an operator does: both sides are well, and nothing is lost."""
        replica = self.replica_of(self.primary_of(name))
        replica.ask("CLUSTER", "FAILOVER")
        until(lambda: is_primary(replica), "the replica is promoted")

    def await_promotion(self, name: bytes) -> None:
        """Whoever is silent is given up. Somebody who is alive serves this key, and
        everybody knows.
        """
        self._give_up_after(silence(self._alive(), _HASTY))
        until(lambda: self._serve(key_slot(name)), "a replica is promoted")
        self._give_up_after(_PATIENT)

    def heal(self) -> None:
        """What was killed is back, as a replica of whoever has taken its place."""
        revive(self.members)
        until(self._settled, "the cluster is whole again")

    def _give_up_after(self, milliseconds: int) -> None:
        for node in self._alive():
            node.ask("CONFIG", "SET", "cluster-node-timeout", milliseconds)

    def _serve(self, slot: int) -> bool:
        alive = self._alive()
        return any(serves(node, slot) for node in alive) and all(map(is_up, alive))

    def _primary_of_slot(self, slot: int) -> Node:
        return next(node for node in self._alive() if serves(node, slot))

    def _primaries(self) -> list[Node]:
        return [node for node in self._alive() if is_primary(node)]

    def _alive(self) -> list[Node]:
        return [node for node in self.members if node.alive]

    def _settled(self) -> bool:
        return (
            len(self._primaries()) == 3
            and all(is_whole(node) for node in self.members)
            and all(
                primary.reaches(1, _name_of(primary)) for primary in self._primaries()
            )
        )


@contextmanager
def cluster(binary: Path) -> Iterator[Cluster]:
    with nodes() as (directory, started):
        for n in range(6):
            place = directory / str(n)
            started.append(Node(binary, place, *_MEMBER))
        start(started)
        _join(started)
        made = Cluster(started)
        until(made._settled, "the cluster is whole")
        yield made


def _join(members: Sequence[Node]) -> None:
    primaries, replicas = members[:3], members[3:]
    for n, primary in enumerate(primaries):
        slots = range(n * _SLOTS // 3, (n + 1) * _SLOTS // 3)
        primary.ask("CLUSTER", "ADDSLOTS", *slots)
        primary.ask("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    for one, other in permutations(members, 2):
        one.ask("CLUSTER", "MEET", "127.0.0.1", other.port)
    until(lambda: all(known(node) == 6 for node in members), "all have met")
    for primary, replica in zip(primaries, replicas, strict=True):
        replica.ask("CLUSTER", "REPLICATE", identity(primary))


def _name_of(primary: Node) -> str:
    """One that it serves."""
    names = (f"settled-{n}" for n in count())
    return next(name for name in names if serves(primary, key_slot(name.encode())))
