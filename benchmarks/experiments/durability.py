"""`python -m benchmarks.experiments.durability`: what a server's settings promise.

crash: clients write as fast as one process can, the server is killed and started again,
and every key whose claim was acknowledged is claimed again, as a retry would.
cost: a claim and its completion, as a ratio to a server that keeps nothing, in
interleaved rounds; on loopback, with the disk of this machine.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from secrets import token_hex
from statistics import median

from benchmarks.experiments.command import Cells, arguments, run
from benchmarks.experiments.writers import (
    SMALL,
    Loss,
    Writers,
    a_claim,
    a_store,
    at_once,
)
from origin_middleware.key import Key
from origin_middleware.record import Completed
from origin_middleware.stores.redis import RedisStore
from tests.support.topologies import Node, nodes, start, until

SETTINGS = {
    "`appendonly no`, `save ''`": ("--save", "", "--appendonly", "no"),
    "`appendonly no`, snapshots": ("--save", "3600 1 300 100 60 10000"),
    "`appendfsync everysec`": ("--save", "", "--appendonly", "yes"),
    "`appendfsync always`": ("--appendonly", "yes", "--appendfsync", "always"),
}
NOTHING = SETTINGS["`appendonly no`, `save ''`"]

_BEFORE = 3000  # claims, and then as many as come until it is dead

_ROUNDS, _REQUESTS, _CONCURRENT = 7, 300, 64
_RESPONSE = Completed(b"x" * SMALL)


async def crash(binary: Path, trials: int) -> list[Cells]:
    rows: list[Cells] = []
    for name, options in SETTINGS.items():
        losses = [await _crashed(binary, options) for _ in range(trials)]
        acknowledged = sum(loss.acknowledged for loss in losses)
        gone = sum(loss.gone for loss in losses)
        back = sum(loss.gone_back for loss in losses)
        rows.append(
            {
                "setting": name,
                "claims acknowledged": acknowledged,
                "gone": gone,
                "completions gone back": back,
            }
        )
    return rows


async def _crashed(binary: Path, options: Sequence[str]) -> Loss:
    with nodes() as (directory, started):
        started.append(node := Node(binary, directory / "0", *options))
        start(started)
        async with a_store(node) as store:
            writers = Writers(store, SMALL)
            await writers.reach(_BEFORE)
            node.process.kill()
            await writers.stop()
        node.process.start()
        async with a_store(node) as store:
            return await writers.loss(store)


async def cost(binary: Path) -> list[Cells]:
    with nodes() as (directory, started):
        for n, options in enumerate([*SETTINGS.values(), *[NOTHING] * 3]):
            started.append(Node(binary, directory / str(n), *options))
        start(started)
        *alone, primary, one, other = started
        for replica in (one, other):
            replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        until(lambda: primary.reaches(2), "the replicas follow")
        kinds = {name: (node, 0) for name, node in zip(SETTINGS, alone, strict=True)}
        kinds |= {f"two replicas, `replicas={n}`": (primary, n) for n in range(3)}
        async with AsyncExitStack() as stack:
            stores = {
                name: await stack.enter_async_context(a_store(node, replicas=replicas))
                for name, (node, replicas) in kinds.items()
            }
            return await _compared(stores)


async def _compared(stores: dict[str, RedisStore]) -> list[Cells]:
    alone: dict[str, list[float]] = {name: [] for name in stores}
    together: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(_ROUNDS):
        for name, store in stores.items():
            alone[name].append(await _latency(store))
        for name, store in stores.items():
            together[name].append(await _seconds(store))
    control = next(iter(stores))
    return [
        {
            "setting": name,
            "one after another": _ratio(alone[name], alone[control]),
            f"{_CONCURRENT} at once": _ratio(together[name], together[control]),
        }
        for name in stores
    ]


async def _latency(store: RedisStore) -> float:
    """The median of a claim with its completion, one after another."""
    taken = []
    for _ in range(_REQUESTS):
        begun = time.perf_counter()
        await _write(store)
        taken.append(time.perf_counter() - begun)
    return median(taken)


async def _seconds(store: RedisStore) -> float:
    """For many of them at a time."""
    begun = time.perf_counter()
    times = range(_REQUESTS * 4)
    await at_once(lambda _: _write(store), times, _CONCURRENT)
    return time.perf_counter() - begun


async def _write(store: RedisStore) -> None:
    key, claim = Key(token_hex(8)), a_claim()
    await store.claim(key, claim)
    await store.complete(key, claim, _RESPONSE)


def _ratio(taken: list[float], control: list[float]) -> str:
    ratios = [one / other for one, other in zip(taken, control, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def main() -> None:
    parser = arguments(__doc__, ["crash", "cost"])
    parser.add_argument("--trials", type=int, default=5)
    options = parser.parse_args()
    run(options, {"crash": partial(crash, trials=options.trials), "cost": cost})


if __name__ == "__main__":
    main()
