"""What is in the account, as far as deploying looks: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..aws.forwarding import Policy


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a version of a function keeps besides its code."""

    runtime: str
    handler: str
    role: str
    timeout: int
    memory: int
    architecture: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Can be changed, published and associated."""


@dataclass(frozen=True, slots=True)
class Busy:
    """AWS is still at work on it."""

    why: str


@dataclass(frozen=True, slots=True)
class Broken:
    """It stays like this until somebody does something."""

    why: str


Condition = Ready | Busy | Broken


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no function of this name."""


@dataclass(frozen=True, slots=True)
class Function:
    """The unpublished function, $LATEST, which never runs at the edge."""

    arn: str
    revision: str
    code: str
    """The digest of the bundle as AWS shows it: CodeSha256."""
    configuration: Configuration
    condition: Condition
    unfit: tuple[str, ...]
    """What it has and Lambda@Edge does not support."""


@dataclass(frozen=True, slots=True)
class Version:
    """A published version: it never changes."""

    number: int
    code: str
    configuration: Configuration
    unfit: tuple[str, ...]
    replaces: int | None
    """The version that was live when this one was published."""


@dataclass(frozen=True, slots=True)
class NoRole:
    name: str


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    arn: str
    trusts: frozenset[str]
    """The services that may assume it."""
    may_log: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    id: str
    etag: str
    is_deployed: bool
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Observed:
    function: Absent | Function
    versions: tuple[Version, ...]
    """Oldest first."""
    role: NoRole | Role
    distribution: Distribution
    policies: Mapping[str, Policy]
    """Of the gated behaviours, by id."""
