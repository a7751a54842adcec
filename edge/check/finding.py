"""A check, and what it can find."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .subject import Subject


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
    """It works, but one day it will cost somebody something."""

    wrong: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Neither good nor bad: nobody has looked, and this is why."""

    why: str


Outcome: TypeAlias = Passed | Failed | Warned | NotChecked


def worst_of(
    each: Callable[[Subject], Iterable[Outcome]], passed: str
) -> Callable[[Subject], Outcome]:
    """Of several behaviours or Regions. One that could not be read does not hide what
    is wrong in another."""

    def examine(subject: Subject) -> Outcome:
        found = list(each(subject))
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
    """The line of the checklist that it is for."""
    examine: Callable[[Subject], Outcome]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    line: str
    outcome: Outcome
