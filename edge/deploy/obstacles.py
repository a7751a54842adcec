"""Why deploying would be wrong as things are, each with what to do about it. Pure."""

from collections.abc import Iterator

from ..aws.behaviours import Behaviour, reaching_origin, takes_grpc
from ..aws.lambda_at_edge import PRINCIPALS
from .associations import conflicts
from .observed import Absent, Broken, Function, NoRole, Observed, Role
from .wanted import LONGEST_ROLE_NAME, Wanted


def obstacles(observed: Observed, wanted: Wanted) -> Iterator[str]:
    if isinstance(observed.function, Function):
        yield from _of_function(observed.function, wanted.function)
    if isinstance(observed.role, NoRole):
        yield from _without_role(observed.role, observed.function, wanted)
    else:
        yield from _of_role(observed.role)
    for behaviour in reaching_origin(observed.distribution.config, wanted.paths):
        if not wanted.replace:
            yield from _in_the_way(behaviour, wanted.function)
        yield from _way_around(behaviour)


def _of_function(function: Function, name: str) -> Iterator[str]:
    """Not simply put right: a function like this one may well be somebody else's."""
    if function.unfit:
        yield (
            f"{name} has {', '.join(function.unfit)}, which Lambda@Edge does not"
            " support. Take it out if the function is only for the gate,"
            " or name another with --function-name."
        )
    if isinstance(function.condition, Broken):
        yield (
            f"{name} cannot be changed: {function.condition.why}."
            " Delete it, or name another with --function-name."
        )


def _without_role(
    role: NoRole, function: Absent | Function, wanted: Wanted
) -> Iterator[str]:
    if wanted.role is not None or isinstance(function, Function):
        yield f"the role {role.name} does not exist. Name another with --role."
    elif len(role.name) > LONGEST_ROLE_NAME:
        yield f"{role.name} is too long for a role's name. Name one with --role."


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
