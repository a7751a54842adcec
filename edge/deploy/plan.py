"""From the account as it is to the steps that are left: for deploy, and for rollback.

Pure. The plan is made anew after every step, so an interrupted run and a repeated one
are the same thing. A plan that would be wrong is refused, with what to do about it.
"""

from collections.abc import Iterator

from ..aws.distribution import (
    Behaviour,
    gated,
    origins_of,
    sharing_origin,
    takes_grpc,
    without_origin_triggers,
)
from ..aws.function import Function
from ..aws.lambda_at_edge import PRINCIPALS
from ..errors import Refused
from .associations import changes, conflicts, live, moved
from .gating import associate, version_arn
from .model import (
    LONGEST_ROLE_NAME,
    NOTHING,
    AllowLogs,
    Associate,
    Broken,
    Change,
    Configuration,
    Configure,
    CreateFunction,
    CreateRole,
    Distribution,
    Plan,
    Publish,
    Role,
    Snapshot,
    Spec,
    Step,
    UpdateCode,
    Version,
    condition_of,
    configuration_of,
    unfit,
)


def deploy(snapshot: Snapshot, spec: Spec) -> Plan:
    """Raises Refused."""
    obstacles = tuple(_obstacles(snapshot, spec))
    if obstacles:
        raise Refused(*obstacles)
    version = _published(snapshot, spec)
    before = () if version else tuple(_until_published(snapshot, spec))
    step, notes = associate(snapshot, spec, version.number if version else None)
    if step:
        _lose_nothing(snapshot.distribution)
    return Plan((*before, *([step] if step else [])), notes)


def _published(snapshot: Snapshot, spec: Spec) -> Version | None:
    """The latest version, if it is as asked for. An older one is not looked for: what a
    version replaces has to have come before it."""
    if not snapshot.versions or snapshot.role is None:
        return None
    latest = snapshot.versions[-1]
    configuration = spec.configuration(snapshot.function, snapshot.role.arn)
    is_same = (
        latest.function.code_digest == spec.code
        and configuration_of(latest.function) == configuration
    )
    return latest if is_same and not unfit(latest.function) else None


def _until_published(snapshot: Snapshot, spec: Spec) -> Iterator[Step]:
    function, role = snapshot.function, snapshot.role
    configuration = spec.configuration(function, role.arn if role else "")
    running = live(snapshot.distribution.config, spec.function)
    replaces = max(running, default=NOTHING)
    if function is None:
        yield from _role_steps(role, spec)
        yield CreateFunction(configuration)
        yield Publish(None, replaces)
    else:
        yield from _updates(function, configuration, spec.code)
        yield Publish(function.revision, replaces)


def _role_steps(role: Role | None, spec: Spec) -> Iterator[Step]:
    if role is None:
        yield CreateRole(spec.own_role)
        yield AllowLogs(spec.own_role)
    elif spec.role is None and not role.may_log:
        yield AllowLogs(role.name)


def _updates(
    function: Function, configuration: Configuration, code: str
) -> Iterator[Step]:
    now = configuration_of(function)
    of_code = _differences(
        ("code", function.code_digest, code),
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


def _obstacles(snapshot: Snapshot, spec: Spec) -> Iterator[str]:
    if snapshot.function is not None:
        yield from _of_function(snapshot.function, spec.function)
    if snapshot.role is None:
        yield from _without_role(snapshot.function, spec)
    else:
        yield from _of_role(snapshot.role)
    for behaviour in sharing_origin(snapshot.distribution.config, spec.paths):
        if not spec.replace:
            yield from _in_the_way(behaviour, spec.function)
        yield from _way_around(behaviour)
    yield from _never_settled(snapshot.distribution, spec.paths)


def _of_function(function: Function, name: str) -> Iterator[str]:
    """Refused, not repaired: such a function may belong to somebody else."""
    features, condition = unfit(function), condition_of(function)
    if features:
        yield (
            f"{name} has {', '.join(features)}, which Lambda@Edge does not"
            " support. Take it out if the function is only for the gate,"
            " or name another with --function-name."
        )
    if isinstance(condition, Broken):
        yield (
            f"{name} cannot be changed: {condition.why}."
            " Delete it, or name another with --function-name."
        )


def _without_role(function: Function | None, spec: Spec) -> Iterator[str]:
    name = spec.role_name(function)
    if spec.role is not None or function is not None:
        yield f"the role {name} does not exist. Name another with --role."
    elif len(name) > LONGEST_ROLE_NAME:
        yield f"{name} is too long for a role's name. Name one with --role."


def _of_role(role: Role) -> Iterator[str]:
    missing = sorted(PRINCIPALS - role.trusts)
    if missing:
        yield (
            f"the role {role.name} cannot be assumed by {' and '.join(missing)}."
            " Add that to its trust relationship, for sts:AssumeRole and without a"
            " condition."
        )


def _in_the_way(behaviour: Behaviour, name: str) -> Iterator[str]:
    for conflict in conflicts(behaviour.raw, name):
        yield (
            f"behaviour {behaviour.path_pattern}: {conflict}, and AWS lets only one"
            " function run there. Move its work elsewhere, or take it off with"
            " --replace."
        )


def _way_around(behaviour: Behaviour) -> Iterator[str]:
    if takes_grpc(behaviour.raw):
        yield (
            f"behaviour {behaviour.path_pattern}: gRPC is enabled, and AWS does not"
            " support Lambda@Edge for gRPC requests: they could pass the gate unpaid."
            " Switch it off in CloudFront."
        )


def _never_settled(found: Distribution, paths: tuple[str, ...]) -> Iterator[str]:
    for behaviour in gated(found.config, paths):
        for origin in origins_of(found.config, behaviour):
            if why := without_origin_triggers(origin, found.unknown):
                yield (
                    f"behaviour {behaviour.path_pattern}: the origin {origin['Id']}"
                    f" {why}, and AWS runs no origin-response function for it: paid"
                    " requests would be served and never settled. Give the API an"
                    " origin that is neither in a VPC nor uses mutual TLS."
                )


def rollback(snapshot: Snapshot, name: str, to: int) -> Plan:
    distribution = snapshot.distribution
    arn = version_arn(snapshot.function, name, to)
    config = moved(distribution.config, name, arn)
    changed = changes(distribution.config, config, {})
    if not changed:
        return Plan(())
    _lose_nothing(distribution)
    return Plan((Associate(to, distribution.etag, config, changed),))


def _lose_nothing(distribution: Distribution) -> None:
    """UpdateDistribution replaces the whole configuration. Raises Refused."""
    if distribution.unknown:
        raise Refused(
            f"{distribution.id} has {', '.join(distribution.unknown)}, which the"
            " installed boto3 does not know and would take off the distribution."
            " Update it: pip install --upgrade boto3."
        )


def rollback_target(snapshot: Snapshot, name: str, asked: int | None) -> int:
    """The version to go back to. Decided once: after the rollback, the version before
    that one would be meant. Raises Refused."""
    if snapshot.function is None:
        raise Refused(f"there is no function {name} in us-east-1.")
    distribution = snapshot.distribution
    running = live(distribution.config, name)
    if not running:
        raise Refused(f"{distribution.id} runs no version of {name}.")
    if asked is not None:
        return _existing(snapshot, name, asked)
    if len(running) > 1:
        numbers = _list(running)
        raise Refused(f"{distribution.id} runs versions {numbers}. {_NAME_IT}")
    (current,) = running
    before = previous(snapshot.versions, current)
    if before is None:
        raise Refused(
            f"there is no version to go back to from {current}, which"
            f" {distribution.id} runs. To take the gate off, remove its associations in"
            " CloudFront: then the origin itself must refuse unpaid requests."
        )
    if not distribution.is_deployed:
        raise Refused(
            f"{distribution.id} is still on its way to version {current}."
            f" {_NAME_IT} --version {before} is the one before,"
            f" --version {current} waits for this one."
        )
    return before


_NAME_IT = "Say which you want with --version."


def previous(versions: tuple[Version, ...], current: int) -> int | None:
    """What was live when the current one was published. Where that is not known, the
    one published before: after a rollback the two differ, and where two distributions
    have one function, that one may be the other's."""
    replaced = {version.number: version.replaces for version in versions}
    before = replaced.get(current)
    if before is None:
        return max((number for number in replaced if number < current), default=None)
    return before if before in replaced else None


def _existing(snapshot: Snapshot, name: str, number: int) -> int:
    numbers = {version.number for version in snapshot.versions}
    if number not in numbers:
        raise Refused(f"{name} has no version {number}. There are {_list(numbers)}.")
    return number


def _list(numbers: frozenset[int] | set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
