"""What deploying does, one change to the account a step, in this order:

    CreateRole ─▶ AllowLogs ─▶ CreateFunction ──────────────┐
                               UpdateCode ─▶ Configure ─────┴─▶ Publish ─▶ Associate

Only the last one is felt by a viewer, and it names a version that cannot change.
So wherever it stops, the site works as before or as after.
"""

from dataclasses import dataclass
from typing import Any

from .observed import Configuration


@dataclass(frozen=True, slots=True)
class Change:
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """In one place of a distribution."""

    where: str
    """Such as `behaviour /api/*`."""
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class CreateRole:
    name: str


@dataclass(frozen=True, slots=True)
class AllowLogs:
    """Without this nobody would see what the gate does."""

    role: str


@dataclass(frozen=True, slots=True)
class CreateFunction:
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class UpdateCode:
    revision: str
    architecture: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Configure:
    revision: str
    configuration: Configuration
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Publish:
    """None for the revision of a function that is not there yet."""

    revision: str | None
    replaces: int | None


@dataclass(frozen=True, slots=True)
class Associate:
    """None for the version that is not published yet."""

    version: int | None
    etag: str
    config: dict[str, Any]
    changes: tuple[Changes, ...]


Step = (
    CreateRole
    | AllowLogs
    | CreateFunction
    | UpdateCode
    | Configure
    | Publish
    | Associate
)


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Each reason says what to do next. Nothing was changed."""

    reasons: tuple[str, ...]


Part = tuple[object, ...]


def parts(step: Step) -> frozenset[Part]:
    """What an operator agreed to. A step made anew after a concurrent change is the
    same when it starts from the same place."""
    match step:
        case UpdateCode(changes=changes) | Configure(changes=changes):
            return frozenset((type(step), each.what, each.before) for each in changes)
        case Associate(changes=places):
            return frozenset(
                (type(step), place.where, each.what, each.before)
                for place in places
                for each in place.changes
            )
        case _:
            return frozenset({(type(step),)})
