"""`python -m benchmarks.experiments.failover`: what a failover forgets, in numbers.

Clients claim and complete as fast as one process can, and something happens to the
primary. Afterwards every key whose claim was acknowledged is claimed again, as a retry
would: what can be claimed is gone. Servers are on loopback and without persistence.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.experiments.writers import SMALL, Loss, Writers
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import SERVERS
from tests.support.topologies import Cluster, Sentinels, cluster, sentinels

_BEFORE = 2000  # claims, so that everything is warm
_AFTERWARDS = 0.5
_LAG = 0.3
_LARGE = 32_768  # bytes of a body

# Any name will do: it decides which primary of the cluster is hit.
_NAME = b"victim"

_HEAD = """| topology | what happens | replicas= | claims acknowledged | gone | \
trials with a loss | completions gone back | refused | until a new primary |
|---|---|--:|--:|--:|--:|--:|--:|--:|"""

TOPOLOGIES: dict[str, tuple[Callable[[Path], Any], int]] = {
    "Sentinel": (sentinels, 2),
    "Cluster": (cluster, 1),
}


@dataclass(frozen=True, slots=True)
class Fault:
    topology: str
    what: str
    happen: Callable[[Any], None]
    body: int = SMALL
    server: str = ""
    """The only one that can do this."""


@dataclass(frozen=True, slots=True)
class Trial:
    loss: Loss
    refused: int
    seconds: float
    """From the fault until another primary takes writes."""


@dataclass(frozen=True, slots=True)
class Series:
    """All trials of one fault."""

    topology: str
    what: str
    replicas: int
    trials: list[Trial]

    def line(self) -> str:
        losses = [trial.loss for trial in self.trials]
        cells = (
            self.topology,
            self.what,
            self.replicas,
            f"{sum(loss.acknowledged for loss in losses):,}",
            f"{sum(loss.gone for loss in losses):,}",
            f"{sum(loss.gone > 0 for loss in losses)} of {len(losses)}",
            f"{sum(loss.gone_back for loss in losses):,}",
            f"{sum(trial.refused for trial in self.trials):,}",
            f"{median(trial.seconds for trial in self.trials):.1f} s",
        )
        return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    options = _options()
    binary = SERVERS[options.server]()
    if binary is None:
        raise SystemExit(f"{options.server} is not on this machine.")
    found: list[Series] = []
    print(f"{options.server}, {options.trials} trials a row\n\n{_HEAD}")
    for name, (start, replicas) in TOPOLOGIES.items():
        with start(binary) as topology:
            for fault, wanted in product(FAULTS, (0, replicas)):
                if fault.topology == name and _is_wanted(fault, options):
                    made = [
                        asyncio.run(trial(topology, fault, wanted))
                        for _ in range(options.trials)
                    ]
                    found.append(Series(name, fault.what, wanted, made))
                    print(found[-1].line(), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps([asdict(series) for series in found], indent=2)
        )


async def trial(topology: Any, fault: Fault, replicas: int) -> Trial:
    async with topology.client() as client:
        # Without a quarantine, which would hide what the server has lost.
        store = RedisStore(client, quarantine=0, replicas=replicas)
        writers = Writers(store, fault.body)
        await writers.reach(_BEFORE)
        begun = time.monotonic()
        await asyncio.to_thread(fault.happen, topology)
        seconds = time.monotonic() - begun
        await asyncio.sleep(_AFTERWARDS)
        await asyncio.gather(writers.stop(), asyncio.to_thread(topology.heal))
        await store.aclose()
    async with topology.client() as client:
        store = RedisStore(client, quarantine=0)
        loss = await writers.loss(store)
        await store.aclose()
        await client.flushall()  # a copy for a replica takes the longer, the more
    return Trial(loss, writers.refused, seconds)


def _is_wanted(fault: Fault, options: argparse.Namespace) -> bool:
    possible = fault.server in ("", options.server)
    return possible and options.only in fault.what


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="valkey-9", choices=SERVERS)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--only", default="", help="faults that contain this")
    parser.add_argument("--json", type=Path, help="write every trial to this file")
    return parser.parse_args()


def fail_over(topology: Sentinels) -> None:
    topology.fail_over()


def fail_over_coordinated(topology: Sentinels) -> None:
    """The old primary hands over."""
    topology.fail_over("COORDINATED")


def fail_over_during_pause(topology: Sentinels) -> None:
    """Nothing is acknowledged during the pause, so nothing can be forgotten."""
    topology.primary().ask("CLIENT", "PAUSE", 5000, "WRITE")
    topology.fail_over()


def kill(topology: Sentinels) -> None:
    topology.await_promotion(topology.kill_primary())


def kill_with_replicas_behind(topology: Sentinels) -> None:
    """Kill the primary while its replicas stand still."""
    replicas = topology.replicas()
    for replica in replicas:
        replica.process.pause()
    time.sleep(_LAG)
    primary = topology.kill_primary()
    for replica in replicas:
        replica.process.resume()
    topology.await_promotion(primary)


def pause(topology: Sentinels) -> None:
    primary = topology.pause_primary()
    topology.await_promotion(primary)
    primary.process.resume()


def isolate(topology: Sentinels) -> None:
    topology.await_promotion(topology.isolate_primary())


def isolate_with_min_replicas(topology: Sentinels) -> None:
    with _bound_to_replicas(topology):
        isolate(topology)


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


def fail_shard_over(topology: Cluster) -> None:
    topology.fail_over(_NAME)


def kill_shard(topology: Cluster) -> None:
    topology.primary_of(_NAME).process.kill()
    topology.await_promotion(_NAME)


def kill_shard_with_replica_behind(topology: Cluster) -> None:
    primary = topology.primary_of(_NAME)
    replica = topology.replica_of(primary)
    replica.process.pause()
    time.sleep(_LAG)
    primary.process.kill()
    replica.process.resume()
    topology.await_promotion(_NAME)


FAULTS = [
    Fault("Sentinel", "`SENTINEL FAILOVER`", fail_over),
    Fault("Sentinel", "`CLIENT PAUSE … WRITE`, then the same", fail_over_during_pause),
    Fault(
        "Sentinel",
        "`SENTINEL FAILOVER … COORDINATED`",
        fail_over_coordinated,
        server="valkey-9",
    ),
    Fault("Sentinel", "primary killed", kill),
    Fault("Sentinel", "the same, replicas behind", kill_with_replicas_behind, _LARGE),
    Fault("Sentinel", "primary stopped", pause),
    Fault("Sentinel", "primary cut off, its clients not", isolate),
    Fault("Sentinel", "the same, `min-replicas-to-write 1`", isolate_with_min_replicas),
    Fault("Cluster", "`CLUSTER FAILOVER`", fail_shard_over),
    Fault("Cluster", "one primary of three killed", kill_shard),
    Fault(
        "Cluster",
        "the same, its replica behind",
        kill_shard_with_replica_behind,
        _LARGE,
    ),
]


if __name__ == "__main__":
    main()
