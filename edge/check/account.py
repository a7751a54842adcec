"""Asks AWS for everything that is checked. Reads only, and keeps no secret.

Where something cannot be read, the reason stands in its place, and the other checks go
on: an operator who may not see the role can still check the distribution.
"""

from collections.abc import Sequence
from datetime import datetime

from ..aws.answer import get_distribution
from ..aws.distribution import behaviours, gated, triggers
from ..aws.function import parse_arn
from ..aws.lambda_at_edge import EVENTS, log_group
from ..aws.session import Session, explained
from ..errors import AwsTrouble
from . import redaction
from .facts import Raw
from .policies import or_why, read_continuous_deployment, read_policies
from .regions import NEEDED, read_regions
from .snapshot import SCHEMA

# The permissions of the gate's role, in a Region in which it has not run yet.
_LOG_ACTIONS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def collect(
    session: Session,
    distribution_id: str,
    function_name: str | None,
    regions: Sequence[str],
    now: datetime,
    *,
    paths: Sequence[str] = (),
) -> Raw:
    """`paths` are those of the routes, where the gate is looked for. Raises AwsTrouble
    when not even the distribution can be read."""
    reader = _Reader(session)
    distribution = reader.distribution(distribution_id)
    config = distribution["DistributionConfig"]
    arn = _arn_of_the_gate(config, paths, function_name)
    if function_name and not arn:
        raise AwsTrouble(
            f"no behaviour of {distribution_id} runs a function {function_name} on"
            f" viewer-request or origin-response. Is --function-name right?"
        )
    function = reader.function(arn)
    name = parse_arn(arn).name if arn else ""
    group = function.get("LoggingConfig", {}).get("LogGroup", "")
    configuration = {
        "schema": SCHEMA,
        "takenAt": now.isoformat(timespec="seconds"),
        "distribution": distribution,
        "policies": reader.policies(config),
        "function": function,
        "versions": reader.versions(arn),
        **reader.role(function, _log_stream(arn, log_group(name, group))),
        "regions": read_regions(session, regions, name, group),
    }
    if continuous := reader.continuous_deployment(config):
        configuration["continuousDeploymentPolicy"] = continuous
    return configuration


class _Reader:
    def __init__(self, session: Session) -> None:
        self._who = str(session)
        self._or_why = or_why(self._who, NEEDED)
        self._cloudfront = session.client("cloudfront")
        self._lambda = session.client("lambda")
        self._iam = session.client("iam")

    def distribution(self, distribution_id: str) -> Raw:
        with explained(self._who, NEEDED):
            answer = get_distribution(self._cloudfront, distribution_id)
        return {
            **redaction.distribution(answer.distribution),
            "unknown": list(answer.unknown or ()),
        }

    def policies(self, config: Raw) -> Raw:
        return read_policies(self._cloudfront, behaviours(config), self._or_why)

    def continuous_deployment(self, config: Raw) -> Raw | None:
        return read_continuous_deployment(self._cloudfront, config, self._or_why)

    def function(self, arn: str) -> Raw:
        if not arn:
            return {"unread": "no behaviour has a Lambda trigger"}

        def read(arn: str) -> Raw:
            answer = self._lambda.get_function_configuration(FunctionName=arn)
            return redaction.function(answer)

        return self._or_why(read, arn)

    def versions(self, arn: str) -> Raw:
        if not arn:
            return {"unread": "no behaviour has a Lambda trigger"}

        def read(name: str) -> Raw:
            paginator = self._lambda.get_paginator("list_versions_by_function")
            pages = paginator.paginate(FunctionName=name)
            return redaction.versions([v for page in pages for v in page["Versions"]])

        return self._or_why(read, parse_arn(arn).name)

    def role(self, function: Raw, log_stream: str) -> Raw:
        role_arn = function.get("Role")
        if role_arn is None:
            why = {"unread": "the function was not read"}
            return {"role": why, "logPermission": why}

        def read(name: str) -> Raw:
            return redaction.role(self._iam.get_role(RoleName=name)["Role"])

        def simulate(role_arn: str) -> Raw:
            answer = self._iam.simulate_principal_policy(
                PolicySourceArn=role_arn,
                ActionNames=list(_LOG_ACTIONS),
                ResourceArns=[log_stream],
            )
            wanted = ("EvalActionName", "EvalDecision")
            return {
                "EvaluationResults": [
                    {name: each[name] for name in wanted}
                    for each in answer["EvaluationResults"]
                ]
            }

        return {
            "role": self._or_why(read, role_arn.rpartition("/")[2]),
            "logPermission": self._or_why(simulate, role_arn),
        }


def _arn_of_the_gate(
    config: Raw, paths: Sequence[str], function_name: str | None
) -> str:
    """The first one that runs where a route leads, or else on both events, or else at
    all: another team may have a function on paths of its own. Empty if there is none.
    """
    paid = gated(config, paths)
    ranked: list[tuple[bool, bool, str]] = []
    for behaviour in behaviours(config):
        arns = [each.arn for each in triggers(behaviour.raw) if each.event in EVENTS]
        names = [parse_arn(arn).name for arn in arns]
        is_elsewhere = all(behaviour.raw is not each.raw for each in paid)
        for arn, name in zip(arns, names, strict=True):
            if function_name in (None, name):
                ranked.append((is_elsewhere, names.count(name) < len(EVENTS), arn))
    return min(ranked, key=lambda each: each[:2])[2] if ranked else ""


def _log_stream(arn: str, group: str) -> str:
    """In a Region far from us-east-1, to find a role that is for one Region only."""
    if not arn:
        return ""
    account = arn.split(":")[4]
    return f"arn:aws:logs:ap-southeast-2:{account}:log-group:{group}:log-stream:check"
