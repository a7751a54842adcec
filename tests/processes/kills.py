"""`make prove`: workers are killed at marked points.

Each trial has a worker that kills itself (SIGKILL) at a mark while it serves several
payments, and another one that serves the retries. A client asks three times, as a CDN
does. Starts and effects are counted in a file, and not in Redis.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import httpx

from tests.simulation.__main__ import commit
from tests.support.servers import running, valkey

from .page import into_the_page
from .running import worker
from .worker import AT_RANDOM, MARKS, Setting, serve

KEYS = 8
"""Payments of one trial."""

_AT_ONCE = 12
_ASKS = 3
_DIES_WITHIN = 3.0


@dataclass
class Outcome:
    """Of all keys whose worker was killed at one mark."""

    keys: int = 0
    served: int = 0
    in_doubt: int = 0
    doubt_with_effect: int = 0
    """Of those in doubt: how many had their effect."""
    doubt_before_effects: int = 0
    """Of those in doubt: how many had not said that their effects begin."""
    started_twice: int = 0
    effects_twice: int = 0
    bodies_differ: int = 0
    others: Counter[str] = field(default_factory=Counter)
    """What else the last answer was."""


@dataclass(frozen=True)
class Plan:
    keys: int
    declares: bool = False
    on_abandoned: str = "refuse"
    at_random: bool = False
    """Not at marks, but at any time."""

    @property
    def marks(self) -> list[str]:
        if self.at_random:
            return [AT_RANDOM]
        return [m for m in MARKS if self.declares or not m.startswith("effects")]


async def kill(plan: Plan) -> dict[str, Outcome]:
    """By mark. Raises RuntimeError where a mark is never reached."""
    outcomes = {mark: Outcome() for mark in plan.marks}
    places = asyncio.Semaphore(_AT_ONCE)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(running(valkey()))
        base = Setting(
            redis.url,
            str(Path(directory) / "ledger"),
            declares=plan.declares,
            on_abandoned=plan.on_abandoned,
        )
        survivor = stack.enter_context(worker(serve, base)).url
        async with asyncio.TaskGroup() as trials:
            for number in range(-(-plan.keys // KEYS)):
                mark = plan.marks[number % len(plan.marks)]
                passes = number // len(plan.marks) % KEYS
                setting = replace(base, mark=mark, passes=passes)
                await places.acquire()
                trial = trials.create_task(
                    _trial(setting, survivor, outcomes[mark], number)
                )
                trial.add_done_callback(lambda _: places.release())
    return outcomes


async def _trial(
    setting: Setting, survivor: str, outcome: Outcome, number: int
) -> None:
    """Where too few requests have passed the mark, it is no trial, and tried again."""
    for passes in (setting.passes, setting.passes // 2, 0):
        ledger = f"{setting.ledger}-{number}-{passes}"
        once_more = replace(setting, passes=passes, ledger=ledger)
        if await _was_killed(once_more, survivor, outcome):
            return
    raise RuntimeError(f"{setting.mark}: the worker was not killed")


async def _was_killed(setting: Setting, survivor: str, outcome: Outcome) -> bool:
    """With a ledger of its own, and keys that nobody has used."""
    keys = [uuid4().hex for _ in range(KEYS)]
    with worker(serve, setting) as mortal:
        urls = [mortal.url, survivor, survivor]
        async with httpx.AsyncClient(timeout=30) as http:
            answers = await asyncio.gather(
                *(_ask(http, urls, key, setting) for key in keys)
            )
        await asyncio.to_thread(mortal.process.join, _DIES_WITHIN)
        if mortal.process.exitcode != -9:
            return False
    started, begun, effects = (
        _counted(setting.ledger, what) for what in ("started", "begins", "effect ")
    )
    for key, told in zip(keys, answers, strict=True):
        _judge(outcome, told, started[key], begun[key], effects[key])
    await asyncio.to_thread(Path(setting.ledger).unlink, missing_ok=True)
    return True


def _judge(
    outcome: Outcome, told: list[str], started: int, begun: int, effects: int
) -> None:
    outcome.keys += 1
    last = told[-1]
    bodies = {each for each in told if each.startswith("200 ")}
    if bodies:
        outcome.served += 1
    elif last == "outcome-unknown":
        outcome.in_doubt += 1
        outcome.doubt_with_effect += effects > 0
        outcome.doubt_before_effects += not begun
    else:
        outcome.others[last] += 1
    outcome.started_twice += started > 1
    outcome.effects_twice += effects > 1
    outcome.bodies_differ += len(bodies) > 1


async def _ask(
    http: httpx.AsyncClient, urls: list[str], key: str, setting: Setting
) -> list[str]:
    """Until there is an answer that counts, and once more."""
    headers = {"x-settlement-intent-id": key, "x-ledger": setting.ledger}
    told: list[str] = []
    for url in urls:
        try:
            answer = await http.post(url, headers=headers, content=b"{}")
        except httpx.TransportError as lost:
            told.append(type(lost).__name__)
            continue
        problem = answer.headers.get("content-type") == "application/problem+json"
        told.append(answer.json()["code"] if problem else f"200 {answer.text}")
    return told


def _counted(ledger: str, what: str) -> Counter[str]:
    lines = Path(ledger).read_text().split("\n") if Path(ledger).exists() else []
    return Counter(line.split()[1] for line in lines if line.startswith(what))


def total(outcomes: dict[str, Outcome]) -> Outcome:
    """Of all marks together."""
    whole = Outcome()
    for each in outcomes.values():
        for name in (*_FIGURES, "doubt_before_effects"):
            setattr(whole, name, getattr(whole, name) + getattr(each, name))
        whole.others += each.others
    return whole


_FIGURES = (
    *("keys", "started_twice", "effects_twice", "bodies_differ"),
    *("served", "in_doubt", "doubt_with_effect"),
)


def table(outcomes: dict[str, Outcome]) -> str:
    heads = ["killed at", "keys", "started twice", "effects twice", "bodies differ"]
    heads += ["served", "in doubt", "of these, with an effect", "other answers"]
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)]]
    for mark, each in [*outcomes.items(), ("all", total(outcomes))]:
        figures = [f"{getattr(each, name):,}" for name in _FIGURES]
        others = ", ".join(f"{n} {what}" for what, n in each.others.items()) or "0"
        lines.append([mark, *figures, others])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(plain: dict[str, Outcome], declared: dict[str, Outcome]) -> str:
    keys = total(plain).keys + total(declared).keys
    effects, bodies = (
        _how_many(getattr(total(plain), name) + getattr(total(declared), name))
        for name in ("effects_twice", "bodies_differ")
    )
    return "\n".join(
        (
            f"At commit {commit()}, {keys:,} payments met a worker that was killed.",
            f"The side effect of {effects} happened twice.",
            f"The clients of {bodies} got two different answers that count.",
            (
                f"For nothing in {keys:,}, the rule of three says: fewer than "
                f"{3 / keys:.3%}, with 95 % confidence."
            ),
            "",
            "With the policy as it is by default:",
            "",
            table(plain),
            "",
            (
                'With `Policy(effects="declared")`, where a handler that was killed '
                "before its effects began is started again, as it should be:"
            ),
            "",
            table(declared),
            "",
            (
                f"Of the {total(declared).in_doubt:,} in doubt, "
                f"{total(declared).doubt_before_effects:,} had not come to "
                "`effects_begin()`."
            ),
            "",
        )
    )


def _how_many(count: int) -> str:
    return f"{count:,} of them" if count else "none of them"


def broken(plain: dict[str, Outcome], declared: dict[str, Outcome]) -> bool:
    """A promise, by what was counted."""
    wrong = sum(
        each.effects_twice + each.bodies_differ
        for each in (total(plain), total(declared))
    )
    wrong += total(declared).doubt_before_effects
    return wrong + total(plain).started_twice > 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes.kills")
    parser.add_argument("--keys", type=int, default=400, help="half of them declare")
    parser.add_argument("--at-random", action="store_true", help="and not at marks")
    parser.add_argument("--write", action="store_true", help="into docs/proof.md")
    asked = parser.parse_args()
    begun, half = time.monotonic(), asked.keys // 2
    plan = Plan(half, at_random=asked.at_random)
    plain = asyncio.run(kill(plan))
    declared = asyncio.run(kill(replace(plan, declares=True)))
    said = report(plain, declared)
    print(f"{said}\n{time.monotonic() - begun:.0f} s")
    if asked.write:
        place = "random kills" if asked.at_random else "real processes"
        into_the_page(place, said)
    return int(broken(plain, declared))


if __name__ == "__main__":
    sys.exit(main())
