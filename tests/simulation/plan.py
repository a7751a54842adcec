"""What happens in a schedule: everything is drawn from its seed, before it begins, so
that it can be repeated, printed, and made smaller.
"""

import random
from dataclasses import dataclass, field
from typing import Literal

from origin_middleware import Policy

ENDS = 20.0
"""Seconds. After that nothing bad happens any more."""

Kind = Literal[
    "answer",
    "stream",
    "large",  # kept beside its record
    "too large",  # to be kept at all
    "raises",
    "fails",  # answers 500
    "nothing happened",
    "outcome unknown",
    "is cancelled",  # by something that it awaits
]


Trouble = Literal[
    "stall", "kill", "drain", "restart", "lose", "promote", "flush", "clock", "reset"
]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a client."""

    at: float
    worker: int
    key: int
    body: int
    leaves_after: float | None = None
    cancelled_after: float | None = None
    """By its server."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the handler does, at its first execution of a key, its second, and so on."""

    kind: Kind
    before: float
    """Seconds until its side effect."""
    after: float
    dies: Literal["", "at once", "before", "after"] = ""
    """When its process is killed."""


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    kind: Trouble
    worker: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    workers: int
    policy: Literal["refuse", "execute", "ask"]
    """on_abandoned"""
    on_failure: Literal["release", "refuse"]
    on_store_unavailable: Literal["refuse", "execute"]
    lease: float
    budget: float
    max_attempts: int
    asks: tuple[Ask, ...]
    runs: tuple[tuple[Run, ...], ...]
    """By key. The last one is repeated."""
    thinks: float
    """How long a reconciler takes."""
    faults: tuple[Fault, ...]
    slow: float
    lost: float
    reset: float
    suppressed: frozenset[int] = field(default=frozenset())
    """Faults of single messages that do not happen."""

    def run(self, key: int, number: int) -> Run:
        runs = self.runs[key]
        return runs[min(number, len(runs) - 1)]

    def make_policy(self, reconciler: object) -> Policy:
        ask = self.policy == "ask"
        return Policy(
            lease=self.lease,
            patience=5.0,
            retention=100_000.0,
            max_attempts=self.max_attempts,
            max_response_bytes=200_000,
            on_abandoned=reconciler if ask else self.policy,  # type: ignore[arg-type] # one of three
            on_failure=self.on_failure,
            on_store_unavailable=self.on_store_unavailable,
        )


_KINDS: tuple[Kind, ...] = (
    *("answer",) * 10,
    *("stream",) * 3,
    *("large",) * 1,
    *("too large",) * 1,
    *("raises",) * 4,
    *("fails",) * 2,
    *("nothing happened",) * 1,
    *("outcome unknown",) * 2,
    *("is cancelled",) * 1,
)


def draw(seed: int) -> Plan:
    chance = random.Random(f"plan {seed}")  # noqa: S311 - it has to be repeatable
    workers = chance.choice((1, 2, 2, 2, 3))
    budget = chance.choice((0.5, 1.0, 1.0, 3.0))
    lease = max(2 * budget, chance.choice((1.0, 2.0, 2.0, 6.0, 10.0)))
    policy = chance.choice(("refuse", "refuse", "execute", "ask", "ask"))
    refuses = policy != "execute" and chance.random() < 0.2
    keys = chance.choice((1, 1, 1, 2))
    trouble = chance.choice((0.0, 0.3, 1.0, 1.0))
    return Plan(
        seed=seed,
        workers=workers,
        policy=policy,  # type: ignore[arg-type] # choice loses it
        on_failure="refuse" if refuses else "release",
        on_store_unavailable="execute" if chance.random() < 0.05 else "refuse",
        lease=lease,
        budget=budget,
        max_attempts=chance.choice((1, 2, 20, 20, 20)),
        asks=tuple(sorted(_asks(chance, workers, keys), key=lambda ask: ask.at)),
        runs=tuple(_runs(chance, lease) for _ in range(keys)),
        thinks=chance.choice((0.0, 0.0, 0.1, 3.0)),
        faults=tuple(_faults(chance, workers, lease, trouble)),
        slow=trouble * chance.choice((0.0, 0.02, 0.1)),
        lost=trouble * chance.choice((0.0, 0.01, 0.05)),
        reset=trouble * chance.choice((0.0, 0.01, 0.05)),
    )


def _asks(chance: random.Random, workers: int, keys: int) -> list[Ask]:
    asks = []
    for key in range(keys):
        first = chance.uniform(0, 3)
        several = chance.random() < 0.2
        for _ in range(chance.choice((2, 2, 3, 4, 6))):
            leaves = cancelled = None
            if chance.random() < 0.1:
                leaves = _soon(chance)
            elif chance.random() < 0.12:
                cancelled = _soon(chance)
            asks.append(
                Ask(
                    at=first
                    + chance.choice((0.0, 0.002, 0.1, 1.0, 3.0, 10.0))
                    * chance.random(),
                    worker=chance.randrange(workers),
                    key=key,
                    body=chance.randrange(2) if several else 0,
                    leaves_after=leaves,
                    cancelled_after=cancelled,
                )
            )
    return asks


def _runs(chance: random.Random, lease: float) -> tuple[Run, ...]:
    return tuple(
        Run(
            kind=chance.choice(_KINDS),
            before=_short(chance, lease),
            after=_short(chance, lease),
            dies=chance.choice(("at once", "before", "after"))
            if chance.random() < 0.08
            else "",
        )
        for _ in range(3)
    )


def _faults(
    chance: random.Random, workers: int, lease: float, trouble: float
) -> list[Fault]:
    if not trouble:
        return []
    kinds: tuple[Trouble, ...] = (
        *("stall",) * 5,
        *("kill",) * 2,
        *("drain",) * 2,
        *("restart",) * 2,
        "lose",
        "promote",
        "flush",
        "clock",
        *("reset",) * 2,
    )
    found = []
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        kind = chance.choice(kinds)
        seconds = lease * chance.choice((0.3, 0.6, 1.1, 2.0))
        if kind == "clock":
            seconds = chance.choice((-3600.0, -5.0, 5.0, 3600.0))
        elif kind in ("restart", "lose", "promote"):
            seconds = chance.choice((0.0, 0.2, 2.0, 6.0))
        found.append(
            Fault(
                at=chance.uniform(0, 3) + chance.choice((0.0, 3.0, 8.0)),
                kind=kind,
                worker=chance.randrange(workers),
                seconds=seconds,
            )
        )
    return found


def _soon(chance: random.Random) -> float:
    return chance.choice((0.0, 0.001, 0.003, 0.1, 2.0)) * chance.random()


def _short(chance: random.Random, lease: float) -> float:
    return chance.choice((0.0, 0.0, 0.001, 0.05, 0.4 * lease, 1.5 * lease))
