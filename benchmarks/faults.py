"""What is done to a primary. Each returns once another one takes writes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.topologies import Cluster, Sentinels

_LAG = 0.3

# Any name will do: it says which of the primaries is meant.
_NAME = b"victim"

SMALL, LARGE = 1024, 32_768


@dataclass(frozen=True, slots=True)
class Fault:
    topology: str
    what: str
    happen: Callable[[Any], None]
    body: int = SMALL
    server: str = ""
    """The only one that can do this."""


def ordered(topology: Sentinels) -> None:
    topology.fail_over()


def ordered_together(topology: Sentinels) -> None:
    """The old primary hands over."""
    topology.fail_over("COORDINATED")


def ordered_in_silence(topology: Sentinels) -> None:
    """Nothing is acknowledged meanwhile, so nothing can be forgotten."""
    topology.primary().ask("CLIENT", "PAUSE", 5000, "WRITE")
    topology.fail_over()


def killed(topology: Sentinels) -> None:
    topology.await_promotion(topology.kill_primary())


def killed_ahead(topology: Sentinels) -> None:
    """Of replicas that have been standing still."""
    replicas = topology.replicas()
    for replica in replicas:
        replica.process.pause()
    time.sleep(_LAG)
    primary = topology.kill_primary()
    for replica in replicas:
        replica.process.resume()
    topology.await_promotion(primary)


def paused(topology: Sentinels) -> None:
    primary = topology.pause_primary()
    topology.await_promotion(primary)
    primary.process.resume()


def isolated(topology: Sentinels) -> None:
    topology.await_promotion(topology.isolate_primary())


def isolated_and_bound(topology: Sentinels) -> None:
    with _bound_to_replicas(topology):
        isolated(topology)


@contextmanager
def _bound_to_replicas(topology: Sentinels) -> Iterator[None]:
    """A primary that has not heard of a replica for a second refuses writes."""
    options = ("min-replicas-to-write", 1, "min-replicas-max-lag", 1)
    for node in topology.members:
        node.ask("CONFIG", "SET", *options[:2])
        node.ask("CONFIG", "SET", *options[2:])
    yield
    for node in topology.members:
        node.ask("CONFIG", "SET", "min-replicas-to-write", 0)


def shard_ordered(topology: Cluster) -> None:
    topology.fail_over(_NAME)


def shard_killed(topology: Cluster) -> None:
    topology.primary_of(_NAME).process.kill()
    topology.await_promotion(_NAME)


def shard_killed_ahead(topology: Cluster) -> None:
    primary = topology.primary_of(_NAME)
    replica = topology.replica_of(primary)
    replica.process.pause()
    time.sleep(_LAG)
    primary.process.kill()
    replica.process.resume()
    topology.await_promotion(_NAME)


FAULTS = [
    Fault("Sentinel", "`SENTINEL FAILOVER`", ordered),
    Fault("Sentinel", "`CLIENT PAUSE … WRITE`, then the same", ordered_in_silence),
    Fault(
        "Sentinel",
        "`SENTINEL FAILOVER … COORDINATED`",
        ordered_together,
        server="valkey-9",
    ),
    Fault("Sentinel", "primary killed", killed),
    Fault("Sentinel", "the same, replicas behind", killed_ahead, LARGE),
    Fault("Sentinel", "primary stopped", paused),
    Fault("Sentinel", "primary cut off, its clients not", isolated),
    Fault("Sentinel", "the same, `min-replicas-to-write 1`", isolated_and_bound),
    Fault("Cluster", "`CLUSTER FAILOVER`", shard_ordered),
    Fault("Cluster", "one primary of three killed", shard_killed),
    Fault("Cluster", "the same, its replica behind", shard_killed_ahead, LARGE),
]
