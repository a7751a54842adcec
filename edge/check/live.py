"""Asks AWS for everything that is checked. Reads only, and keeps no secret.

What cannot be read is said in its place, and the other checks go on: an operator who
may not see the role can still check the distribution.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from ..aws.distribution import behaviours, items
from ..aws.function import parse_arn
from ..aws.lambda_at_edge import EVENTS, log_group
from ..aws.session import Session, explained, no_distribution
from ..errors import AwsTrouble
from . import redaction
from .facts.unread import Answer
from .policies import Kind, named, read_policies
from .regions import NEEDED, read_regions

SCHEMA = 1

# What the gate's role needs, in a Region that it has not run in yet.
_LOG_ACTIONS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def collect(
    session: Session,
    distribution_id: str,
    function_name: str | None,
    regions: Sequence[str],
    now: datetime,
) -> Answer:
    """Raises AwsTrouble when not even the distribution can be read."""
    asking = _Asking(session)
    distribution = asking.distribution(distribution_id)
    config = distribution["DistributionConfig"]
    arn = _arn_of_the_gate(config, function_name)
    if function_name and not arn:
        raise AwsTrouble(
            f"no behaviour of {distribution_id} runs a function {function_name} on"
            f" viewer-request or origin-response. Is --function-name right?"
        )
    function = asking.function(arn)
    answers = {
        "schema": SCHEMA,
        "takenAt": now.isoformat(timespec="seconds"),
        "distribution": distribution,
        "policies": read_policies(config, asking.policy),
        "function": function,
        "versions": asking.versions(arn),
        **asking.role(function, arn),
        "regions": read_regions(session, regions, parse_arn(arn).name if arn else ""),
    }
    if policy := config.get("ContinuousDeploymentPolicyId"):
        answers["continuousDeploymentPolicy"] = asking.continuous_deployment(policy)
    return answers


class _Asking:
    def __init__(self, session: Session) -> None:
        self._who = str(session)
        self._cloudfront = session.client("cloudfront")
        self._lambda = session.client("lambda")
        self._iam = session.client("iam")

    def distribution(self, distribution_id: str) -> Answer:
        try:
            with explained(self._who, NEEDED):
                answer = self._cloudfront.get_distribution(Id=distribution_id)
        except AwsTrouble as trouble:
            if trouble.code == "NoSuchDistribution":
                raise no_distribution(distribution_id) from trouble
            raise
        return redaction.distribution(answer["Distribution"])

    def policy(self, kind: Kind, id_: str) -> Answer:
        return self._or_why(partial(named, self._cloudfront, kind), id_)

    def continuous_deployment(self, policy_id: str) -> Answer:
        def read(id_: str) -> Answer:
            answer = self._cloudfront.get_continuous_deployment_policy(Id=id_)
            policy: Answer = answer["ContinuousDeploymentPolicy"]
            config: Answer = policy["ContinuousDeploymentPolicyConfig"]
            return config

        return self._or_why(read, policy_id)

    def function(self, arn: str) -> Answer:
        if not arn:
            return {"unread": "no behaviour has a Lambda trigger"}

        def read(arn: str) -> Answer:
            answer = self._lambda.get_function_configuration(FunctionName=arn)
            return redaction.function(answer)

        return self._or_why(read, arn)

    def versions(self, arn: str) -> Answer:
        if not arn:
            return {"unread": "no behaviour has a Lambda trigger"}

        def read(name: str) -> Answer:
            paginator = self._lambda.get_paginator("list_versions_by_function")
            pages = paginator.paginate(FunctionName=name)
            return redaction.versions([v for page in pages for v in page["Versions"]])

        return self._or_why(read, parse_arn(arn).name)

    def role(self, function: Answer, arn: str) -> Answer:
        role_arn = function.get("Role")
        if role_arn is None:
            why = {"unread": "the function was not read"}
            return {"role": why, "logPermission": why}

        def read(name: str) -> Answer:
            return redaction.role(self._iam.get_role(RoleName=name)["Role"])

        def simulate(role_arn: str) -> Answer:
            answer = self._iam.simulate_principal_policy(
                PolicySourceArn=role_arn,
                ActionNames=list(_LOG_ACTIONS),
                ResourceArns=[_log_group_arn(arn)],
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

    def _or_why(self, read: Callable[[str], Answer], argument: str) -> Answer:
        try:
            with explained(self._who, NEEDED):
                return read(argument)
        except AwsTrouble as trouble:
            return {"unread": str(trouble)}


def _arn_of_the_gate(config: Answer, function_name: str | None) -> str:
    """Of the function that answers viewers first; empty where there is none."""
    arns: list[Any] = [
        item["LambdaFunctionARN"]
        for behaviour in behaviours(config)
        for item in items(behaviour.raw, "LambdaFunctionAssociations")
        if item["EventType"] in EVENTS
    ]
    wanted = [arn for arn in arns if function_name in (None, parse_arn(arn).name)]
    return str(wanted[0]) if wanted else ""


def _log_group_arn(arn: str) -> str:
    """In a Region far from us-east-1: a role made for one Region only is found out."""
    account, group = arn.split(":")[4], log_group(parse_arn(arn).name)
    return f"arn:aws:logs:ap-southeast-2:{account}:log-group:{group}:log-stream:check"
