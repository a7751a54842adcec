"""From what is in the account and what is wanted to the steps between the two.

Pure. The plan is made anew after every step, so an interrupted run and a repeated one
are the same thing: what is left to do.
"""

from collections.abc import Iterator

from .associations import live
from .gating import associate
from .observed import (
    Absent,
    Configuration,
    Function,
    NoRole,
    Observed,
    Role,
    Version,
)
from .obstacles import obstacles
from .steps import (
    AllowLogs,
    Change,
    Configure,
    CreateFunction,
    CreateRole,
    Plan,
    Publish,
    Refused,
    Step,
    UpdateCode,
)
from .wanted import Wanted


def plan(observed: Observed, wanted: Wanted) -> Plan | Refused:
    reasons = tuple(obstacles(observed, wanted))
    if reasons:
        return Refused(reasons)
    version = published(observed, wanted)
    before = () if version else tuple(_until_published(observed, wanted))
    step, notes = associate(observed, wanted, version.number if version else None)
    return Plan((*before, *([step] if step else [])), notes)


def published(observed: Observed, wanted: Wanted) -> Version | None:
    """The latest version, if it is what is wanted. An older one is not looked for:
    what a version replaces has to have come before it."""
    if not observed.versions or isinstance(observed.role, NoRole):
        return None
    latest = observed.versions[-1]
    configuration = wanted.configuration(observed.function, observed.role.arn)
    same = (latest.code, latest.configuration) == (wanted.code, configuration)
    return latest if same and not latest.unfit else None


def _until_published(observed: Observed, wanted: Wanted) -> Iterator[Step]:
    role = observed.role
    arn = role.arn if isinstance(role, Role) else ""
    configuration = wanted.configuration(observed.function, arn)
    running = live(observed.distribution.config, wanted.function)
    replaces = max(running, default=None)
    if isinstance(observed.function, Absent):
        yield from _of_role(role, wanted)
        yield CreateFunction(configuration)
        yield Publish(None, replaces)
    else:
        yield from _updates(observed.function, configuration, wanted.code)
        yield Publish(observed.function.revision, replaces)


def _of_role(role: NoRole | Role, wanted: Wanted) -> Iterator[Step]:
    if isinstance(role, NoRole):
        yield CreateRole(role.name)
        yield AllowLogs(role.name)
    elif wanted.role is None and not role.may_log:
        yield AllowLogs(role.name)


def _updates(
    function: Function, configuration: Configuration, code: str
) -> Iterator[Step]:
    now = function.configuration
    of_code = _differences(
        ("code", function.code, code),
        ("architecture", now.architecture, configuration.architecture),
    )
    if of_code:
        yield UpdateCode(function.revision, configuration.architecture, of_code)
    of_configuration = _differences(
        ("runtime", now.runtime, configuration.runtime),
        ("handler", now.handler, configuration.handler),
        ("role", now.role, configuration.role),
        ("timeout", f"{now.timeout} s", f"{configuration.timeout} s"),
        ("memory", f"{now.memory} MB", f"{configuration.memory} MB"),
    )
    if of_configuration:
        yield Configure(function.revision, configuration, of_configuration)


def _differences(*facts: tuple[str, str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(what, before, after) for what, before, after in facts if before != after
    )
