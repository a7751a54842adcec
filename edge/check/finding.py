"""What a check can say."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .evidence import Evidence


@dataclass(frozen=True, slots=True)
class Passed:
    seen: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Do not go live like this."""

    wrong: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Warned:
    """It works, and it will cost somebody something one day."""

    wrong: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Neither good nor bad: it was not looked at, and this is why."""

    why: str


Outcome: TypeAlias = Passed | Failed | Warned | NotChecked


def worst_of(
    each: Callable[[Evidence], Iterable[Outcome]], passed: str
) -> Callable[[Evidence], Outcome]:
    """Of several behaviours or Regions. What is wrong in one is not hidden by another
    that could not be read."""

    def examine(evidence: Evidence) -> Outcome:
        found = list(each(evidence))
        for kind in (Failed, Warned, NotChecked):
            for outcome in found:
                if isinstance(outcome, kind):
                    return outcome
        return Passed(passed)

    return examine


class Check(NamedTuple):
    """`name` is stable: pipelines know a check by it."""

    name: str
    line: str
    """The line of the checklist that it stands for."""
    examine: Callable[[Evidence], Outcome]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    line: str
    outcome: Outcome
