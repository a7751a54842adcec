"""Storms of duplicates on two worker processes and a real server, while these are
stopped, killed and restarted; and what a history of each key says about it.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from uuid import uuid4

import httpx

from sample_origin.processes import KEEPS_RECORDS
from tests.simulation.__main__ import commit
from tests.support.servers import RedisServer, running, valkey

from .linearizability import Operation, What, is_linearizable
from .page import into_the_page
from .running import Worker, worker
from .seller import KINDS, LEASE, Shop, sell

FORGETS = ("--save", "", "--appendonly", "no")
KEEPS = (*KEEPS_RECORDS, "--appendfsync", "always")
"""With `everysec`, a server that is killed while its disk is slow has lost what it
acknowledged meanwhile."""

_EVERY = 0.08
"""Seconds from one payment to the next."""
_ASKED_FOR = 5.0
"""Seconds in which a payment's clients ask again."""
TIMEOUT = 4.0
_UP_WITHIN = 120.0

_REFUSALS: dict[str, What] = {
    "in-progress": "in progress",
    "outcome-unknown": "outcome unknown",
}
_UNSEEN: tuple[What, ...] = ("claim", "withdraw", "lapse")


@dataclass(frozen=True)
class Asked:
    """One request, as its client saw it."""

    key: str
    request: str
    begin: float
    end: float
    answer: str
    """A response's body, or a problem's code; '' if none came."""
    status: int
    replayed: bool = False


@dataclass(frozen=True)
class Window:
    """In which something stood still, was away, or died."""

    begin: float
    end: float
    pid: int = 0
    """0 for the server, which is everybody's."""


@dataclass
class Books:
    """Of one storm."""

    asked: list[Asked] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    lost: list[Window] = field(default_factory=list)
    """When the server forgot everything."""
    retention: float = inf
    """A start that comes so long after another is no second one: the record is over."""
    noted: dict[str, list[tuple[str, str, int, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By key, from the ledger: what, request, process, when."""

    def read(self, ledger: Path) -> None:
        for line in ledger.read_text().splitlines():
            what, *rest = line.split()
            if what == "stood":
                pid, begin, end = rest
                self.windows.append(Window(float(begin), float(end), int(pid)))
            else:
                key, request, pid, at = rest
                self.noted[key].append((what, request, int(pid), float(at)))

    def disturbing(self, pid: int, begin: float, end: float) -> list[Window]:
        """What may have mattered to what this process did then: what happened a lease
        before may show only now."""
        return [
            each
            for each in self.windows
            if each.pid in (0, pid) and each.end >= begin - LEASE and each.begin <= end
        ]


@dataclass
class Verdict:
    keys: int = 0
    expired: int = 0
    """Not judged: a retry came when the record was over."""
    operations: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    started_twice: int = 0
    """Without a failure in between."""
    effects_twice: int = 0
    not_linearizable: list[str] = field(default_factory=list)
    """What is known of each such key."""

    def add(self, other: "Verdict") -> None:
        self.keys += other.keys
        self.expired += other.expired
        self.operations += other.operations
        self.answers += other.answers
        self.started_twice += other.started_twice
        self.effects_twice += other.effects_twice
        self.not_linearizable += other.not_linearizable


def judge(books: Books) -> Verdict:
    verdict = Verdict()
    by_key: dict[str, list[Asked]] = defaultdict(list)
    for each in books.asked:
        by_key[each.key].append(each)
    for key, asked in by_key.items():
        noted = books.noted[key]
        starts = [at for what, _, _, at in noted if what == "started"]
        if starts and max(starts) - min(starts) > books.retention:
            verdict.expired += 1
            continue
        history = operations(asked, noted, books)
        verdict.keys += 1
        verdict.operations += len(history)
        verdict.answers.update(_in_words(each) for each in asked)
        count = Counter(what for what, *_ in noted)
        verdict.started_twice += count["started"] - count["failed"] > 1
        verdict.effects_twice += count["effect"] > 1
        if not is_linearizable(history):
            verdict.not_linearizable.append(_story(key, history, asked, books))
    return verdict


def operations(
    asked: Sequence[Asked],
    noted: Sequence[tuple[str, str, int, float]],
    books: Books,
) -> list[Operation]:
    """What happened to the record of one key, as far as it shows."""
    found = [
        Operation("lose", "", each.begin, each.end)
        for each in books.lost
        if asked[0].begin < each.end
    ]
    for each in asked:
        of_this = [note for note in noted if note[1] == each.request]
        if of_this:
            found += _of_a_run(each, of_this, books)
        elif each.status == 409 and each.answer in _REFUSALS:
            found.append(Operation(_REFUSALS[each.answer], "", each.begin, each.end))
        elif each.replayed:
            found.append(Operation("replay", each.answer, each.begin, each.end))
        elif each.answer in ("", "store-unavailable"):
            # Its claim may have been made, and been withdrawn; or its process died.
            for what in _UNSEEN:
                found.append(Operation(what, each.request, each.begin))
        else:
            raise AssertionError(f"an answer out of nowhere: {each}")
    return found


def _of_a_run(
    asked: Asked, notes: Sequence[tuple[str, str, int, float]], books: Books
) -> list[Operation]:
    when = {what: at for what, _, _, at in notes}
    pid, request = notes[0][2], asked.request
    found = [Operation("claim", request, asked.begin, when["started"])]
    answered = asked.end if asked.status in (200, 500) else inf
    disturbing = books.disturbing(pid, asked.begin, answered)
    if "ended" in when:
        told = inf if disturbing else answered
        found.append(Operation("complete", request, when["ended"], told))
    if "failed" in when:
        found.append(Operation("release", request, when["failed"]))
    if disturbing:
        begin = max(asked.begin, min(each.begin for each in disturbing))
        killed = all(each.end == inf for each in disturbing)
        found.append(Operation("lapse" if killed else "waver", request, begin))
    return found


def _in_words(asked: Asked) -> str:
    if asked.replayed:
        return "replayed"
    if asked.status in (200, 500):
        return "executed" if asked.status == 200 else "failed"
    return asked.answer or "none"


def _story(
    key: str, history: Sequence[Operation], asked: Sequence[Asked], books: Books
) -> str:
    lines = [(each.begin, f"{each}") for each in asked]
    lines += [(note[3], f"{note}") for note in books.noted[key]]
    lines += [(each.begin, f"{each}") for each in books.windows + books.lost]
    lines += [(each.begin, f"{each}") for each in history]
    return f"{key}\n" + "\n".join(f"  {at:.3f} {what}" for at, what in sorted(lines))


@dataclass(frozen=True)
class Scene:
    """What there is to disturb."""

    redis: RedisServer
    workers: tuple[Worker, Worker]
    books: Books
    random: random.Random


Fault = Callable[[Scene], Awaitable[None]]


async def stop_the_server(scene: Scene) -> None:
    begin = time.monotonic()
    scene.redis.pause()
    await asyncio.sleep(scene.random.uniform(0.3, 2.5))
    scene.redis.resume()
    scene.books.windows.append(Window(begin, time.monotonic()))


async def stop_a_worker(scene: Scene) -> None:
    stopped = scene.random.choice(scene.workers)
    begin = time.monotonic()
    stopped.stop()
    await asyncio.sleep(scene.random.uniform(0.5, LEASE * 1.5))
    stopped.resume()
    scene.books.windows.append(Window(begin, time.monotonic(), stopped.pid))


async def kill_a_worker(scene: Scene) -> None:
    killed = scene.random.choice(scene.workers)
    begin = time.monotonic()
    await asyncio.to_thread(killed.kill)
    scene.books.windows.append(Window(begin, inf, killed.pid))
    killed.start_again()


async def restart_the_server(scene: Scene) -> None:
    begin = time.monotonic()
    await asyncio.to_thread(scene.redis.kill)
    await asyncio.sleep(scene.random.uniform(0.0, 1.0))
    await asyncio.to_thread(scene.redis.start)
    end = time.monotonic()
    scene.books.windows.append(Window(begin, end))
    if scene.redis.options is FORGETS:
        scene.books.lost.append(Window(begin, end))


FAULTS: tuple[Fault, ...] = (
    stop_the_server,
    kill_a_worker,
    stop_a_worker,
    restart_the_server,
)


@dataclass(frozen=True)
class Weather:
    """What a storm is made of."""

    faults: Sequence[Fault] = FAULTS
    keeps: bool = True
    """Does the server have its data after a restart?"""
    on_abandoned: str = "refuse"
    quarantine: float = 30.0
    seed: int = 0
    calm: float = 1.0
    """Seconds before, between and after the faults."""


async def storm(weather: Weather) -> Verdict:
    books = Books()
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        options = KEEPS if weather.keeps else FORGETS
        redis = stack.enter_context(running(valkey(), options))
        ledger = Path(directory) / "ledger"
        shop = Shop(redis.url, str(ledger), weather.quarantine, weather.on_abandoned)
        first = stack.enter_context(worker(sell, shop))
        second = stack.enter_context(worker(sell, shop))
        scene = Scene(redis, (first, second), books, random.Random(weather.seed))
        async with httpx.AsyncClient(
            timeout=TIMEOUT, limits=httpx.Limits(max_connections=None)
        ) as http:
            await until_served(http, scene)
            over = asyncio.Event()
            watching = asyncio.create_task(watch(scene))
            clients = asyncio.create_task(play(http, scene, over))
            for fault in weather.faults:
                await asyncio.sleep(weather.calm)
                await fault(scene)
            await asyncio.sleep(weather.calm)
            over.set()
            await clients
            watching.cancel()
        await asyncio.to_thread(books.read, ledger)
    return judge(books)


async def until_served(http: httpx.AsyncClient, scene: Scene) -> None:
    for each in scene.workers:
        await http.get(each.url, timeout=_UP_WITHIN)


async def play(http: httpx.AsyncClient, scene: Scene, over: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        while not over.is_set():
            group.create_task(_payment(http, scene))
            await asyncio.sleep(_EVERY)


async def _payment(http: httpx.AsyncClient, scene: Scene) -> None:
    """Two to four clients have the same one."""
    key, kind = uuid4().hex, scene.random.choice(KINDS)
    clients = scene.random.randint(2, 4)
    await asyncio.gather(*(_client(http, scene, key, kind) for _ in range(clients)))


async def _client(http: httpx.AsyncClient, scene: Scene, key: str, kind: str) -> None:
    until = time.monotonic() + _ASKED_FOR
    for _ in range(scene.random.randint(2, 5)):
        await asyncio.sleep(scene.random.choice((0, 0, 0.1, 0.5, 1.5)))
        if time.monotonic() > until:
            return
        asked = await ask(http, scene.random.choice(scene.workers).url, key, kind)
        scene.books.asked.append(asked)


async def ask(http: httpx.AsyncClient, url: str, key: str, kind: str) -> Asked:
    request = uuid4().hex
    headers = {"x-settlement-intent-id": key, "x-request": request}
    begin = time.monotonic()
    try:
        answer = await http.post(url, headers=headers, content=kind.encode())
    except httpx.TransportError:
        return Asked(key, request, begin, inf, "", 0)
    end = time.monotonic()
    problem = answer.headers.get("content-type") == "application/problem+json"
    said = answer.json()["code"] if problem else answer.text
    replayed = "idempotent-replayed" in answer.headers
    return Asked(key, request, begin, end, said, answer.status_code, replayed)


async def watch(scene: Scene) -> None:
    """Notes when the server did not answer, or nothing here ran: a busy machine does
    what a fault does."""
    while True:
        begin = time.monotonic()
        alive = await asyncio.to_thread(scene.redis._answers)
        await asyncio.sleep(0.05)
        end = time.monotonic()
        if not alive or end - begin > 0.35:
            scene.books.windows.append(Window(begin, end))


_EXPIRED = "Not judged, because a retry came after the retention: {:,} more.\n"


def summary(verdict: Verdict) -> str:
    answers = ", ".join(f"{n:,} {what}" for what, n in verdict.answers.most_common())
    return (
        f"{verdict.keys:,} payments, {verdict.answers.total():,} requests: {answers}.\n"
        f"Started twice: {verdict.started_twice:,}. "
        f"Effects twice: {verdict.effects_twice:,}. "
        f"Not linearizable: {len(verdict.not_linearizable):,}.\n"
        + _EXPIRED.format(verdict.expired)
        * bool(verdict.expired)
    )


async def storms(rounds: int, first_seed: int = 0) -> Verdict:
    """In pairs: on a server that keeps its data, and on one that does not."""
    whole = Verdict()
    for seed in range(first_seed, first_seed + rounds):
        for verdict in await asyncio.gather(
            storm(Weather(seed=seed)),
            storm(Weather((restart_the_server,), keeps=False, seed=seed)),
        ):
            whole.add(verdict)
    return whole


def report(rounds: int, verdict: Verdict) -> str:
    broken = (
        verdict.started_twice + verdict.effects_twice + len(verdict.not_linearizable)
    )
    bound = f", so fewer than {3 / verdict.keys:.3%} would be, with 95 % confidence"
    return (
        f"At commit {commit()}, {rounds} pairs of storms: {summary(verdict)}"
        f"{broken:,} of {verdict.keys:,} histories break a promise"
        f"{'' if broken else bound}.\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes.storms")
    parser.add_argument("--rounds", type=int, default=2, help="about 20 s each")
    parser.add_argument("--from", type=int, default=0, dest="first", help="a seed")
    parser.add_argument("--write", action="store_true", help="into docs/proof.md")
    asked = parser.parse_args()
    verdict = asyncio.run(storms(asked.rounds, asked.first))
    said = report(asked.rounds, verdict)
    print(said, *verdict.not_linearizable[:3], sep="\n")
    if asked.write:
        into_the_page("storms", said)
    return int(bool(verdict.not_linearizable or verdict.started_twice))


if __name__ == "__main__":
    sys.exit(main())
