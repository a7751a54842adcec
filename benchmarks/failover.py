"""`python -m benchmarks.failover`: what a failover forgets, in numbers.

Clients claim and complete as fast as one process can, and something happens to the
primary. Afterwards every key whose claim was acknowledged is claimed again, as a retry
would: what can be claimed is gone. Servers are on loopback and without persistence.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.faults import FAULTS, Fault
from benchmarks.writers import Loss, Writers
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import SERVERS
from tests.support.topologies import cluster, sentinels

_BEFORE = 2000  # claims, so that everything is warm
_AFTERWARDS = 0.5


_HEAD = """| topology | what happens | replicas= | claims acknowledged | gone | \
trials with a loss | completions gone back | refused | until a new primary |
|---|---|--:|--:|--:|--:|--:|--:|--:|"""

TOPOLOGIES: dict[str, tuple[Callable[[Path], Any], int]] = {
    "Sentinel": (sentinels, 2),
    "Cluster": (cluster, 1),
}


@dataclass(frozen=True, slots=True)
class Trial:
    loss: Loss
    refused: int
    seconds: float
    """From the fault until another primary takes writes."""


@dataclass(frozen=True, slots=True)
class Row:
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
    rows: list[Row] = []
    print(f"{options.server}, {options.trials} trials a row\n\n{_HEAD}")
    for name, (start, replicas) in TOPOLOGIES.items():
        with start(binary) as topology:
            for fault, wanted in product(FAULTS, (0, replicas)):
                if fault.topology == name and _is_wanted(fault, options):
                    made = [
                        asyncio.run(trial(topology, fault, wanted))
                        for _ in range(options.trials)
                    ]
                    rows.append(Row(name, fault.what, wanted, made))
                    print(rows[-1].line(), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))


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


if __name__ == "__main__":
    main()
