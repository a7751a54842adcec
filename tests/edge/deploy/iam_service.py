"""IAM, as far as a function's role goes."""

import json
from typing import Any

from tests.edge.deploy.clock import Clock
from tests.edge.deploy.wire import AwsError, Parameters

KNOWN_AFTER = 5.0  # seconds until Lambda may assume a new role


class IamService:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.roles: dict[str, dict[str, Any]] = {}
        self.attached: dict[str, list[str]] = {}
        self._since: dict[str, float] = {}

    def add_role(self, name: str, *services: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": list(services)},
            "Action": "sts:AssumeRole",
        }
        self._add(name, json.dumps({"Statement": [statement]}))
        self._since[name] = float("-inf")
        return str(self.roles[name]["Arn"])

    def may_be_assumed(self, arn: str) -> bool:
        name = arn.rpartition("/")[2]
        return name in self.roles and (
            self._clock.now() - self._since[name] >= KNOWN_AFTER
        )

    def trusts(self, arn: str, service: str) -> bool:
        role = self.roles[arn.rpartition("/")[2]]
        return service in role["AssumeRolePolicyDocument"]

    def get_role(self, RoleName: str) -> Parameters:  # noqa: N803 - AWS's names
        if RoleName not in self.roles:
            raise AwsError("NoSuchEntity", f"The role {RoleName} cannot be found.")
        return {"Role": self.roles[RoleName]}

    def create_role(self, **given: Any) -> Parameters:
        name = given["RoleName"]
        if name in self.roles:
            raise AwsError("EntityAlreadyExists", f"Role {name} already exists.")
        self._add(name, given["AssumeRolePolicyDocument"])
        return {"Role": self.roles[name]}

    def attach_role_policy(self, RoleName: str, PolicyArn: str) -> Parameters:  # noqa: N803 - same
        self.get_role(RoleName)
        if PolicyArn not in self.attached[RoleName]:
            self.attached[RoleName].append(PolicyArn)
        return {}

    def list_attached_role_policies(self, RoleName: str) -> Parameters:  # noqa: N803 - same
        policies = [
            {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
            for arn in self.attached[RoleName]
        ]
        return {"AttachedPolicies": policies, "IsTruncated": False}

    def simulate_principal_policy(self, **given: Any) -> Parameters:
        may_log = bool(self.attached[given["PolicySourceArn"].rpartition("/")[2]])
        decision = "allowed" if may_log else "implicitDeny"
        results = [
            {"EvalActionName": action, "EvalDecision": decision}
            for action in given["ActionNames"]
        ]
        return {"EvaluationResults": results, "IsTruncated": False}

    def _add(self, name: str, trust: str) -> None:
        self.roles[name] = {
            "Path": "/",
            "RoleName": name,
            "RoleId": "AROAEXAMPLE",
            "Arn": f"arn:aws:iam::123456789012:role/{name}",
            "CreateDate": "2026-02-07T08:12:34Z",
            "AssumeRolePolicyDocument": trust,
        }
        self.attached[name] = []
        self._since[name] = self._clock.now()
