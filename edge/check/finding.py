"""A check and its possible outcomes."""

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
    """It works, but will cost money or trouble one day."""

    wrong: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Neither good nor bad: it could not be checked, for this reason."""

    why: str


Outcome: TypeAlias = Passed | Failed | Warned | NotChecked


def worst_of(
    each: Callable[[Subject], Iterable[Outcome]], passed: str
) -> Callable[[Subject], Outcome]:
    """The worst outcome of several behaviours or Regions. An unreadable one does not
    hide a failure in another."""

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
    """Its line of the checklist."""
    examine: Callable[[Subject], Outcome]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    line: str
    outcome: Outcome
