"""A primary with two replicas, and three sentinels that watch over them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from .node import REPLICATED, Node, nodes, revive, silence, start, until
from .sentinel_process import HASTY, PATIENT, judge_after, watcher
from .sentinel_process import USER as SENTINEL
from .sentinel_view import (
    SERVICE,
    fails_over,
    has_a_quorum,
    offset,
    primary_port,
    role,
    sees_two_replicas,
)

PASSWORD = "for-clients"

# The others have users of their own, so that a primary can be cut off from them while
# its clients go on: a partition, without a network to cut.
_REPLICA = "replica"
_USERS = (
    *("--user", "default", "on", f">{PASSWORD}", "~*", "&*", "+@all"),
    *("--user", SENTINEL, "on", f">{SENTINEL}", "~*", "&*", "+@all"),
    *("--user", _REPLICA, "on", f">{_REPLICA}", "+psync", "+replconf", "+ping"),
)


class Sentinels:
    def __init__(self, members: Sequence[Node], sentinels: Sequence[Node]) -> None:
        self.members = members
        self.sentinels = sentinels

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    @asynccontextmanager
    async def client(self, protocol: int = 3) -> AsyncIterator[Redis]:
        """As docs/operations.md says: one that does not answer is not insisted on."""
        quick = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3}
        manager = Sentinel(  # type: ignore[no-untyped-call] # redis-py's gap
            self.addresses,
            sentinel_kwargs={**quick, "retry": Retry(NoBackoff(), 0)},
        )
        # Two that look for the primary at once may put one of them into the list twice,
        # and another one out of it.
        sentinels = list(manager.sentinels)
        options: dict[str, Any] = {"password": PASSWORD, "protocol": protocol}
        async with manager.master_for(SERVICE, redis_class=Redis, **options) as client:
            yield client
        for sentinel in sentinels:
            await sentinel.aclose()

    def holder(self, _: bytes) -> Node:
        return self.primary()

    def primary(self) -> Node:
        """As the sentinels have it."""
        port = primary_port(self.sentinels[0])
        return next(node for node in self.members if node.port == port)

    def replicas(self) -> list[Node]:
        primary = self.primary()
        return [node for node in self.members if node is not primary]

    def await_replicas(self) -> None:
        """What the primary has acknowledged so far, all replicas have."""
        acknowledged = offset(self.primary())
        until(
            lambda: all(offset(node) >= acknowledged for node in self.replicas()),
            "the replicas have caught up",
        )

    def fail_over(self, *how: str) -> None:
        """As an operator orders it. What the old primary acknowledges until a sentinel
        demotes it is lost, unless Valkey 9 is told to do it COORDINATED.
        """
        before = self.primary()
        order = ("SENTINEL", "FAILOVER", SERVICE, *how)
        until(lambda: bool(self.sentinels[0].ask(*order)), "a replica is good enough")
        self.await_promotion(before)

    def kill_primary(self) -> Node:
        primary = self._hastened()
        primary.process.kill()
        return primary

    def pause_primary(self) -> Node:
        """Its connections stay open, and nobody answers."""
        primary = self._hastened()
        primary.process.pause()
        return primary

    def isolate_primary(self) -> Node:
        """Cut off from replicas and sentinels; its clients notice nothing."""
        primary = self._hastened()
        for user in (SENTINEL, _REPLICA):
            primary.ask("ACL", "SETUSER", user, "off")
        primary.ask("CLIENT", "KILL", "TYPE", "replica")
        primary.ask("CLIENT", "KILL", "USER", SENTINEL)
        return primary

    def await_promotion(self, before: Node) -> None:
        """All sentinels name another primary, and it takes writes."""
        until(lambda: self._agreed() not in (None, before.port), "one is promoted")
        until(lambda: role(self.primary()) == b"master", "it takes writes")
        self._judge_after(PATIENT)

    def heal(self) -> None:
        """Whoever was away follows the primary again."""
        revive(self.sentinels)
        self._judge_after(PATIENT)
        revive(self.members)
        primary = self.primary()
        for node in self.members:
            until(partial(_reconciled, node, primary), "it is told whom to follow")
        until(self._settled, "the replicas follow the primary")

    def _hastened(self) -> Node:
        """The primary, which is about to go."""
        primary = self.primary()
        self._judge_after(silence([*self.sentinels, *self.members], HASTY))
        return primary

    def _judge_after(self, milliseconds: int) -> None:
        for sentinel in self.sentinels:
            judge_after(sentinel, milliseconds)

    def _agreed(self) -> int | None:
        ports = {primary_port(sentinel) for sentinel in self.sentinels}
        return ports.pop() if len(ports) == 1 else None

    def _settled(self) -> bool:
        primary = self.primary()
        return (
            self._agreed() == primary.port
            and not any(map(fails_over, self.sentinels))
            and role(primary) == b"master"
            and primary.reaches(2)
            and all(sees_two_replicas(sentinel) for sentinel in self.sentinels)
        )


@contextmanager
def sentinels(binary: Path) -> Iterator[Sentinels]:
    with nodes() as (directory, started):
        for n in range(3):
            place = directory / str(n)
            started.append(Node(binary, place, *_MEMBER, password=PASSWORD))
        primary, *replicas = members = list(started)
        start(members)
        for replica in replicas:
            replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        until(lambda: primary.reaches(2), "the replicas follow")
        # Only now: a sentinel asks a primary for its replicas every ten seconds.
        for n in range(3):
            started.append(watcher(binary, directory / f"sentinel-{n}", primary))
        start(started[3:])
        made = Sentinels(members, started[3:])
        made._judge_after(PATIENT)
        until(made._settled, "the sentinels know the replicas")
        until(lambda: all(map(has_a_quorum, made.sentinels)), "and each other")
        yield made


_MEMBER = (
    *REPLICATED,
    *_USERS,
    *("--masteruser", _REPLICA, "--masterauth", _REPLICA),
)


def _reconciled(node: Node, primary: Node) -> bool:
    """It does not listen while it loads what it had."""
    for user in (SENTINEL, _REPLICA):
        node.ask("ACL", "SETUSER", user, "on")
    if node is not primary and not _follows(node, primary):
        _demote(node, primary)
    return True


def _follows(node: Node, primary: Node) -> bool:
    found = node.ask("ROLE")
    return bool(found[0] == b"slave" and found[2] == primary.port)


def _demote(node: Node, primary: Node) -> None:
    """As a sentinel does, which ends the clients' connections as well."""
    node.ask("REPLICAOF", "127.0.0.1", primary.port)
    node.ask("CLIENT", "KILL", "TYPE", "normal")
