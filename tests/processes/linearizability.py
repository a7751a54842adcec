"""Is what clients and handlers saw of one key explained by a record that changes in one
instant at a time?

The search is Wing and Gong's, with Lowe's memory of what was tried: of all operations
that may have come next, one is taken, until none is left, or none fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

What = Literal[
    "claim",
    "complete",
    "release",
    "withdraw",
    "lapse",
    "waver",
    "lose",
    "replay",
    "in progress",
    "outcome unknown",
]

State = Literal["free", "running", "wavering", "unknown", "done", "lost"]


@dataclass(frozen=True)
class Operation:
    """It happened in an instant between its two times. Without an end, perhaps never:
    its client does not know."""

    what: What
    request: str
    """Whose claim; for a replay, whose response. '' where it does not matter."""
    begin: float
    end: float = inf


@dataclass(frozen=True)
class Record:
    """Of one key, as it is promised with the policy as it is by default."""

    state: State = "free"
    """While it wavers, its owner stands still and goes on, so that its lease is over at
    times, and renewed later."""
    request: str = ""

    def after(self, operation: Operation) -> "Record | None":
        """None where the operation cannot happen now."""
        what, request = operation.what, operation.request
        if what in _READS:
            seen = self.state in _READS[what]
            same = what != "replay" or self.request == request
            return self if seen and same else None
        if what == "lose":
            return Record("lost")
        if what == "claim":
            return Record("running", request) if self.state == "free" else None
        if self.state == "lost":
            # A run that had begun goes on, and tells the server how it ended.
            return {"complete": Record("done", request), "release": self}.get(what)
        if self.state not in _HELD or self.request != request:
            return None
        return Record(_AFTER[what], request if _AFTER[what] != "free" else "")


_HELD = ("running", "wavering", "unknown")

_READS: dict[What, tuple[State, ...]] = {
    "replay": ("done",),
    "in progress": ("running", "wavering"),
    "outcome unknown": ("unknown", "wavering"),
}

_AFTER: dict[What, State] = {
    "complete": "done",
    "release": "free",
    "withdraw": "free",
    "lapse": "unknown",
    "waver": "wavering",
}


def is_linearizable(history: Sequence[Operation]) -> bool:
    """In any order that keeps "one had ended before the other began"."""
    operations = sorted(history, key=lambda each: (each.end, each.begin))
    must = sum(1 << n for n, each in enumerate(operations) if each.end < inf)
    open_ends: list[tuple[int, Record]] = [(0, Record())]
    tried = set(open_ends)
    while open_ends:
        done, record = open_ends.pop()
        if done & must == must:
            return True
        first_end = next(
            each.end for n, each in enumerate(operations) if not done >> n & 1
        )
        for n, each in enumerate(operations):
            if done >> n & 1 or each.begin > first_end:
                continue
            following = record.after(each)
            if following is None:
                continue
            further = (done | 1 << n, following)
            if further not in tried:
                tried.add(further)
                open_ends.append(further)
    return False
