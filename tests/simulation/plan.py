"""What happens in one schedule: all of it is drawn from the seed before it begins, so
that it can be played again with less.
"""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from .wire import KINDS, REPLY_LATE, REQUEST_LATE, Fault

# Records above so many bytes keep their body apart, here; 131,072 in earnest.
LARGE = 400

MOST = 2_000
"""Bytes of a response that is kept."""

# So long, in seconds, requests come and faults happen.
_SPANS = (2.0, 6.0, 20.0)

# What a fault is aimed at.
_STEPS = (
    *("claim", "take_over", "take_over", "renew", "complete"),
    *("release", "abandon", "watch", "mark"),
)

# Messages of one process in which there may be faults.
_FAULTY = 90


class Options(NamedTuple):
    budget: float
    lease: float
    patience: float
    max_attempts: int
    on_failure: str
    on_abandoned: str
    """Or what a reconciler knows: "books", "raises", "nonsense"."""
    on_store_unavailable: str
    require_key: bool
    quarantine: float
    declares: bool
    """Handlers say when their effects begin."""


class Request(NamedTuple):
    at: float
    process: int
    key: int
    """-1 for none."""
    variant: int
    """Of the body: another one is another request."""
    leaves: float | None = None
    """After so many seconds its client is gone."""
    cancelled: float | None = None
    """After so many seconds its server cancels it."""
    slow: float = 0.0
    """So long its client takes for every message."""


class Run(NamedTuple):
    """What a handler does, the nth time that it runs for its key."""

    ends: str
    """One of ENDS."""
    before: float
    """Seconds until its effect."""
    after: float
    """And from there to its end."""
    size: int = 0
    statement: str = ""
    background: float = 0.0


ENDS = (
    *("ok", "stream", "404", "500", "raises", "cancels itself", "exits", "dies"),
    *("half", "endless", "broken"),
)


class Stall(NamedTuple):
    at: float
    process: int
    seconds: float


class Death(NamedTuple):
    at: float
    process: int
    """One that is asked for the next request begins anew, as a process of its own."""


class Stop(NamedTuple):
    """A shutdown in good order."""

    at: float
    process: int
    grace: float


class Trouble(NamedTuple):
    """Of the server."""

    at: float
    kind: str
    """One of TROUBLES."""
    seconds: float


TROUBLES = (
    *("stall", "restart", "lost", "promoted", "clock", "scripts", "full"),
    *("loading", "readonly"),
)


@dataclass(frozen=True)
class Plan:
    seed: int
    options: Options
    processes: int
    requests: tuple[Request, ...]
    runs: tuple[Run, ...]
    faults: tuple[tuple[int, int, Fault], ...] = ()
    """Process, which of its messages, and what happens to it."""
    aimed: tuple[tuple[int, str, int, Fault], ...] = ()
    """Process, a script, which of its runs, and what happens to it."""
    stalls: tuple[Stall, ...] = ()
    deaths: tuple[Death, ...] = ()
    stops: tuple[Stop, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    skews: tuple[float, ...] = field(default=(0.0, 1000.0, 7000.0))
    """What the processes' own clocks show at the beginning."""

    @property
    def ends(self) -> float:
        """The last instant at which something is planned."""
        times = [each.at for each in self.requests]
        times += [each.at + each.seconds for each in self.stalls]
        times += [each.at + each.seconds for each in self.troubles]
        times += [each.at for each in self.deaths]
        times += [each.at for each in self.stops]
        return max(times, default=0.0)


def drawn(seed: int) -> Plan:
    rng = Random(seed)
    options = _options(rng)
    processes = rng.choices((1, 2, 3), (3, 5, 2))[0]
    span = rng.choice(_SPANS)
    requests = _requests(rng, processes, span, options)
    troubled = rng.random()
    stops = _stops(rng, processes, span) if troubled > 0.85 else ()
    is_calm = rng.random() < 0.25  # then whatever takes long is our own fault
    return Plan(
        seed,
        options,
        processes,
        requests,
        tuple(_run(rng, options, stops) for _ in range(5)),
        () if is_calm else _faults(rng, processes),
        () if is_calm else _aimed(rng, processes),
        _stalls(rng, processes, span, options) if troubled < 0.5 else (),
        _deaths(rng, processes, requests) if 0.3 < troubled < 0.6 else (),
        stops,
        _troubles(rng, span) if rng.random() < 0.5 and not is_calm else (),
    )


def _options(rng: Random) -> Options:
    budget = rng.choice((0.5, 1.0, 1.0, 3.0))
    lease = rng.choice((2 * budget, 2 * budget, 3 * budget, 10.0))
    on_abandoned = rng.choices(
        ("refuse", "execute", "books", "raises", "nonsense"), (4, 3, 4, 0.3, 0.3)
    )[0]
    can_refuse = on_abandoned != "execute"
    return Options(
        budget,
        lease,
        rng.choice((1.0, 5.0, 25.0)),
        rng.choice((20, 20, 20, 2, 1)),
        "refuse" if can_refuse and rng.random() < 0.25 else "release",
        on_abandoned,
        "execute" if rng.random() < 0.08 else "refuse",
        rng.random() < 0.5,
        rng.choice((120.0, 120.0, 0.0, 5.0)),
        rng.random() < 0.3,
    )


def _requests(
    rng: Random, processes: int, span: float, options: Options
) -> tuple[Request, ...]:
    keys, others = rng.choice((1, 1, 2)), rng.choice((0.0, 0.0, 0.05, 0.4))
    requests: list[Request] = []
    for _ in range(rng.randint(2, 7)):
        at = rng.random() * span
        if requests and rng.random() < 0.4:
            at = requests[-1].at + rng.choice((0.0, 0.001, 0.01, 0.3))
        left = cancelled = None
        if rng.random() < 0.2:
            left = rng.random() ** 3 * 4
        if rng.random() < 0.2:
            cancelled = rng.random() ** 4 * 4
        requests.append(
            Request(
                at,
                rng.randrange(processes),
                -1 if rng.random() < 0.02 else rng.randrange(keys),
                int(rng.random() < others),
                left,
                cancelled,
                rng.choice((0.5, 6.0)) if rng.random() < 0.05 else 0.0,
            )
        )
    return tuple(sorted(requests, key=lambda each: each.at))


def _run(rng: Random, options: Options, stops: tuple[Stop, ...]) -> Run:
    ends = rng.choices(ENDS, (12, 4, 2, 2, 3, 0.5, 0.5, 1, 0.5, 0.7, 0.5))[0]
    length = rng.choice((0.0, 0.01, 0.01, 0.5, options.lease, 2.5 * options.lease))
    if stops and rng.random() < 0.5:
        length = rng.choice((10.0, 40.0))  # longer than a shutdown leaves it alone
    return Run(
        ends,
        rng.random() * length,
        rng.random() * length,
        rng.choice((0, 0, 0, LARGE, MOST)),
        rng.choices(("", "nothing happened", "outcome unknown"), (9, 1, 1))[0],
        rng.choice((0.0, 0.0, 0.0, 1.0)),
    )


def _faults(rng: Random, processes: int) -> tuple[tuple[int, int, Fault], ...]:
    often = rng.choice((0.0, 0.02, 0.05, 0.1, 0.25))
    if not often:
        return ()
    return tuple(
        (process, message, _fault(rng))
        for process in range(processes)
        for message in range(1, _FAULTY)
        if rng.random() < often
    )


def _aimed(rng: Random, processes: int) -> tuple[tuple[int, str, int, Fault], ...]:
    """At what is rare among all messages."""
    return tuple(
        (
            rng.randrange(processes),
            rng.choice(_STEPS),
            rng.choice((1, 1, 2, 3)),
            _fault(rng),
        )
        for _ in range(rng.choice((0, 0, 1, 2)))
    )


def _fault(rng: Random) -> Fault:
    kind = rng.choice(KINDS)
    late = kind in (REQUEST_LATE, REPLY_LATE)
    return Fault(kind, rng.random() ** 2 * 5 if late else 0.0)


def _stalls(
    rng: Random, processes: int, span: float, options: Options
) -> tuple[Stall, ...]:
    return tuple(
        Stall(
            rng.random() * span,
            rng.randrange(processes),
            rng.choice((0.3, 1.0, 1.5, 3.0)) * options.lease * rng.random(),
        )
        for _ in range(rng.randint(1, 3))
    )


def _deaths(
    rng: Random, processes: int, requests: tuple[Request, ...]
) -> tuple[Death, ...]:
    """Shortly after a request: then it matters."""
    return tuple(
        Death(rng.choice(requests).at + rng.random() ** 3 * 3, rng.randrange(processes))
        for _ in range(rng.randint(1, 2))
    )


def _stops(rng: Random, processes: int, span: float) -> tuple[Stop, ...]:
    process = rng.randrange(processes)
    return (Stop(rng.random() * span, process, rng.choice((0.0, 0.1, 2.0))),)


def _troubles(rng: Random, span: float) -> tuple[Trouble, ...]:
    found = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind, seconds = rng.choice(TROUBLES), rng.random() ** 2 * 5
        if kind == "clock":
            seconds = rng.choice((-3600.0, -5.0, -0.5, 0.5, 2.0, 30.0))
        if kind == "promoted":
            seconds = rng.choice((0.0, 0.01, 0.5, 2.0))
        found.append(Trouble(rng.random() * span, kind, seconds))
    return tuple(sorted(found))
