"""The role that the function runs as: what IAM says of it, and what is asked of IAM."""

import json
from typing import Any

from ..aws.lambda_at_edge import PRINCIPALS
from ..aws.trust import trusted
from .observed import NoRole, Role
from .outcome import Done, Outcome, Superseded
from .wanted import LONGEST_ROLE_NAME

# AWS's own: to create log groups and write to them, in every Region.
LOGS_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


class Roles:
    def __init__(self, client: Any, own: str) -> None:
        self._client = client
        self._own = own

    def observe(self, name: str) -> NoRole | Role:
        if len(name) > LONGEST_ROLE_NAME:  # IAM would not even look
            return NoRole(name)
        try:
            role = self._client.get_role(RoleName=name)["Role"]
        except self._client.exceptions.NoSuchEntityException:
            return NoRole(name)
        trusts = trusted(role["AssumeRolePolicyDocument"])
        # A role that was given can allow it in many ways: that is looked at by check.
        may_log = name != self._own or self._has_logs_policy(name)
        return Role(name, role["Arn"], trusts, may_log)

    def create(self, name: str) -> Outcome:
        try:
            self._client.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(_trust()),
                Description="Runs the x402 gate at the edge",
            )
        except self._client.exceptions.EntityAlreadyExistsException:
            return Superseded(f"the role {name} has just been created")
        return Done(f"created the role {name}")

    def allow_logs(self, name: str) -> Outcome:
        try:
            self._client.attach_role_policy(RoleName=name, PolicyArn=LOGS_POLICY)
        except self._client.exceptions.NoSuchEntityException:
            return Superseded(f"IAM cannot attach a policy to the role {name} yet")
        return Done(f"allowed {name} to write logs")

    def _has_logs_policy(self, name: str) -> bool:
        pages = self._client.get_paginator("list_attached_role_policies").paginate(
            RoleName=name
        )
        return any(
            policy["PolicyArn"] == LOGS_POLICY
            for page in pages
            for policy in page["AttachedPolicies"]
        )


def _trust() -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": sorted(PRINCIPALS)},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
