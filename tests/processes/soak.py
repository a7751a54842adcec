"""`make soak`: two workers serve storms for as long as is asked for, with a fault every
ten seconds. What a process or the server holds has to be as much at the end as it was
after a warm-up.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

import httpx
from redis.asyncio import Redis

from tests.simulation.__main__ import commit
from tests.support.servers import running, valkey

from .page import into_the_page
from .running import worker
from .seller import Shop, sell
from .storms import (
    KEEPS,
    TIMEOUT,
    Books,
    Fault,
    Scene,
    Verdict,
    judge,
    play,
    restart_the_server,
    stop_a_worker,
    stop_the_server,
    summary,
    until_served,
    watch,
)

_FAULTS: tuple[Fault, ...] = (stop_the_server, stop_a_worker, restart_the_server)

_RETENTION = 60.0
"""So that records go as fast as they come."""

_RESTS_WITHIN = 90.0
"""Claims in doubt are withdrawn for a minute."""

_MEGABYTE = 1_048_576
_MORE = 4 * _MEGABYTE
"""What a process may have grown by: arenas of the allocator, not requests."""


@dataclass(frozen=True)
class Sample:
    at: float
    resident: tuple[int, ...]
    """Of each worker, in bytes."""
    descriptors: tuple[int, ...]
    tasks: tuple[int, ...]
    keys: int
    without_expiry: int
    used_by_server: int
    connections: int


@dataclass
class Soaked:
    seconds: float
    before: Sample
    after: Sample
    """Both at rest."""
    meanwhile: list[Sample] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def slopes(self) -> list[float]:
        """Of each worker's resident memory in the second half, in MB an hour."""
        half = self.meanwhile[len(self.meanwhile) // 2 :]
        hours = [each.at / 3_600 for each in half]
        return [
            linear_regression(hours, [size / _MEGABYTE for size in sizes]).slope
            for sizes in zip(*(each.resident for each in half), strict=True)
        ]

    def complaints(self) -> list[str]:
        found = [
            f"{name} of a worker: {was:,}, and then {now:,}"
            for name in ("descriptors", "tasks")
            for was, now in zip(
                getattr(self.before, name), getattr(self.after, name), strict=True
            )
            if now > was
        ]
        for was, now in zip(self.before.resident, self.after.resident, strict=True):
            if now - was > _MORE:
                found.append(f"a worker's memory: {was:,}, and then {now:,} bytes")
        if self.after.connections > self.before.connections:
            found.append(f"connections: {self.before} and then {self.after}")
        found += [
            f"{each.without_expiry} keys never expire"
            for each in (self.before, *self.meanwhile, self.after)
            if each.without_expiry
        ]
        verdict = self.verdict
        if verdict.started_twice or verdict.effects_twice or verdict.not_linearizable:
            found += [summary(verdict), *verdict.not_linearizable[:2]]
        return found


async def soak(
    seconds: float, warm_up: float, fault_every: float = 10.0, seed: int = 0
) -> Soaked:
    """All in seconds."""
    books = Books(retention=_RETENTION)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(running(valkey(), KEEPS))
        ledger = Path(directory) / "ledger"
        shop = Shop(redis.url, str(ledger), retention=_RETENTION)
        first = stack.enter_context(worker(sell, shop))
        second = stack.enter_context(worker(sell, shop))
        scene = Scene(redis, (first, second), books, random.Random(seed))
        watching = asyncio.create_task(watch(scene))
        await _traffic(scene, warm_up, fault_every, [])
        before = await _at_rest(scene, None)
        samples: list[Sample] = []
        await _traffic(scene, seconds, fault_every, samples)
        after = await _at_rest(scene, before)
        watching.cancel()
        await asyncio.to_thread(books.read, ledger)
    return Soaked(seconds, before, after, samples, judge(books))


async def _traffic(
    scene: Scene, seconds: float, fault_every: float, samples: list[Sample]
) -> None:
    begin, over = time.monotonic(), asyncio.Event()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits) as http:
        await until_served(http, scene)
        clients = asyncio.create_task(play(http, scene, over))
        while (left := begin + seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(left, fault_every / 2))
            samples.append(await _sample(scene))
            await scene.random.choice(_FAULTS)(scene)
            samples.append(await _sample(scene))
            await asyncio.sleep(fault_every / 2)
        over.set()
        await clients


async def _at_rest(scene: Scene, before: Sample | None) -> Sample:
    """When nothing is under way any more; or what there is after a while."""
    until = time.monotonic() + _RESTS_WITHIN
    found = await _sample(scene)
    while time.monotonic() < until:
        await asyncio.sleep(1)
        last, found = found, await _sample(scene)
        rests = before is None and _held(found) == _held(last)
        if rests or (before is not None and _is_no_more(found, before)):
            break
    return found


def _held(sample: Sample) -> Sequence[int]:
    return (*sample.descriptors, *sample.tasks, sample.connections)


def _is_no_more(sample: Sample, than: Sample) -> bool:
    pairs = zip(_held(sample), _held(than), strict=True)
    return all(now <= was for now, was in pairs)


async def _sample(scene: Scene) -> Sample:
    tasks = []
    for each in scene.workers:
        async with httpx.AsyncClient(timeout=60) as http:
            tasks.append((await http.get(each.url)).json()["tasks"])
    async with Redis.from_url(scene.redis.url) as redis:
        info = await redis.info()
    held = info.get("db0", {"keys": 0, "expires": 0})
    pids = [each.pid for each in scene.workers]
    return Sample(
        at=time.monotonic(),
        resident=tuple(map(_resident, pids)),
        descriptors=tuple(map(_descriptors, pids)),
        tasks=tuple(tasks),
        keys=held["keys"],
        without_expiry=held["keys"] - held["expires"],
        used_by_server=info["used_memory"],
        connections=info["connected_clients"],
    )


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _resident(pid: int) -> int:
    """proc(5): VmRSS, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1_024 * next(int(s.split()[1]) for s in lines if s.startswith("VmRSS"))


def report(soaked: Soaked) -> str:
    before, after, middle = soaked.before, soaked.after, soaked.meanwhile
    rows = [
        ("memory of the workers, MB", _megabytes(before), _megabytes(after)),
        ("descriptors", before.descriptors, after.descriptors),
        ("tasks", before.tasks, after.tasks),
        ("connections of the server", (before.connections,), (after.connections,)),
        ("keys without an expiry", (before.without_expiry,), (after.without_expiry,)),
    ]
    lines = ["| at rest | after a warm-up | at the end |", "| --- | --: | --: |"]
    for name, was, now in rows:
        lines.append(f"| {name} | {_both(was)} | {_both(now)} |")
    slopes = " and ".join(f"{slope:+.1f}" for slope in soaked.slopes)
    keys = median(each.keys for each in middle)
    return "\n".join(
        (
            (
                f"At commit {commit()}, for {soaked.seconds / 60:.0f} minutes, with a "
                f"fault about every ten seconds:"
            ),
            "",
            summary(soaked.verdict),
            *lines,
            "",
            (
                f"In the second half the memory of the two workers changed by {slopes} "
                f"MB an hour. The server held {keys:,.0f} keys, "
                f"{sum(each.without_expiry for each in middle)} of them without an "
                f"expiry."
            ),
            "",
        )
    )


def _megabytes(sample: Sample) -> tuple[float, ...]:
    return tuple(round(each / _MEGABYTE, 1) for each in sample.resident)


def _both(values: Sequence[float]) -> str:
    return ", ".join(f"{each:,}" for each in values)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--write", action="store_true", help="into docs/proof.md")
    asked = parser.parse_args()
    soaked = asyncio.run(soak(asked.minutes * 60, warm_up=60))
    said, complaints = report(soaked), soaked.complaints()
    print(said, *complaints, sep="\n")
    if asked.write:
        into_the_page("soak", said)
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
