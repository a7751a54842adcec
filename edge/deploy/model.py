"""What deploying speaks of: the account as it is, the gate as it is asked for, and the
steps from one to the other. Plain values.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..aws.forwarding import Policy
from ..aws.function import Function
from ..aws.lambda_at_edge import ARCHITECTURE, HANDLER, MEMORY, RUNTIMES, TIMEOUT
from ..runtime.intent import CONTRACT_HEADERS

LONGEST_ROLE_NAME = 64

# What a version replaces where none was live. Lambda counts from 1.
NOTHING = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The account at one moment, as far as deploying looks."""

    function: Function | None
    """$LATEST, if there is a function of this name."""
    versions: tuple["Version", ...]
    """Oldest first."""
    role: "Role | None"
    distribution: "Distribution"
    policies: Mapping[str, Policy]
    """Of the gated behaviours, by id."""


@dataclass(frozen=True, slots=True)
class Version:
    """A published version: it never changes."""

    number: int
    function: Function
    replaces: int | None
    """The version that was live when this one was published, or NOTHING; None if it is
    not known."""


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
    unknown: tuple[str, ...] = ()
    """The settings that writing the configuration back would lose, by their place."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings of a function that the gate decides, besides its code."""

    runtime: str
    handler: str
    role: str
    timeout: int
    memory: int
    architecture: str


@dataclass(frozen=True, slots=True)
class Spec:
    """The operator's request. With None, a function keeps its setting, and a new one
    gets the default."""

    function: str
    code: str
    """The digest of the bundle as AWS shows it: CodeSha256."""
    paths: tuple[str, ...]
    """Of the routes in the bundle."""
    role: str | None = None
    memory: int | None = None
    runtime: str | None = None
    replace: bool = False
    """Whether functions that are in the way may go."""
    timeout: int = TIMEOUT
    contract: frozenset[str] = CONTRACT_HEADERS
    """The headers that have to reach the origin."""

    def configuration(self, function: Function | None, role: str) -> Configuration:
        kept = function.runtime if function else ""
        memory = function.memory if function else MEMORY
        return Configuration(
            runtime=self.runtime or (kept if kept in RUNTIMES else RUNTIMES[0]),
            handler=HANDLER,
            role=role,
            timeout=self.timeout,
            memory=self.memory or memory,
            architecture=ARCHITECTURE,
        )

    def role_name(self, function: Function | None) -> str:
        """Of the role that the function has or gets."""
        if self.role is not None:
            return self.role.rpartition("/")[2]
        if function is not None:
            return function.role.rpartition("/")[2]
        return self.own_role

    @property
    def own_role(self) -> str:
        """The role that deploying makes."""
        return f"{self.function}-role"


def configuration_of(function: Function) -> Configuration:
    return Configuration(
        runtime=function.runtime or "none",
        handler=function.handler or "none",
        role=function.role,
        timeout=function.timeout,
        memory=function.memory,
        architecture=function.architectures[0],
    )


def unfit(function: Function) -> tuple[str, ...]:
    """Its features that Lambda@Edge does not support."""
    names = ", ".join(function.environment)
    variables = (f"environment variables ({names})",) if names else ()
    return (*variables, *function.unsupported)


@dataclass(frozen=True, slots=True)
class Ready:
    """Can be changed, published and associated."""


@dataclass(frozen=True, slots=True)
class Busy:
    """AWS is still at work on it."""

    why: str


@dataclass(frozen=True, slots=True)
class Broken:
    """It stays like this until somebody changes it."""

    why: str


Condition = Ready | Busy | Broken


def condition_of(function: Function) -> Condition:
    if function.state == "Pending":
        return Busy("it is being created")
    if function.last_update == "InProgress":
        return Busy("it is being updated")
    if function.state not in ("Active", "Inactive"):  # an update wakes an inactive one
        reason = function.state_reason or "no reason given"
        return Broken(f"its state is {function.state}: {reason}")
    return Ready()


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
class Plan:
    """What is left to do, one change to the account a step, in this order:

        CreateRole ─▶ AllowLogs ─▶ CreateFunction ──────────────┐
                                   UpdateCode ─▶ Configure ─────┴─▶ Publish ─▶ Associate

    Viewers only notice the last one, and it names a version that cannot change.
    So wherever it stops, the site works as before or as after.
    """

    steps: tuple["Step", ...]
    notes: tuple[str, ...] = ()

    def noting(self, more: Iterable[str]) -> "Plan":
        return Plan(self.steps, (*more, *self.notes))


@dataclass(frozen=True, slots=True)
class CreateRole:
    name: str


@dataclass(frozen=True, slots=True)
class AllowLogs:
    """Without this the gate has no log."""

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
    replaces: int


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


@dataclass(frozen=True, slots=True)
class Done:
    said: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """The account is no longer as the plan has it: read it again, then go on."""

    why: str


Outcome = Done | Superseded
"""What became of a step."""
