"""The account: everything that deploying reads, and every step that changes it."""

import json
from collections.abc import Iterator
from typing import Any, assert_never

from ..aws.answer import get_distribution
from ..aws.distribution import behaviours, gated, items
from ..aws.forwarding import MANAGED, Policy, of_cache_policy, of_request_policy
from ..aws.function import trusted
from ..aws.lambda_at_edge import PRINCIPALS
from ..aws.session import Session, explained
from ..check.policies import or_why, read_continuous_deployment, read_policies
from .associations import Other, live, running
from .functions import Functions
from .model import (
    LONGEST_ROLE_NAME,
    AllowLogs,
    Associate,
    Condition,
    Configure,
    CreateFunction,
    CreateRole,
    Distribution,
    Done,
    Outcome,
    Publish,
    Role,
    Snapshot,
    Spec,
    Step,
    Superseded,
    UpdateCode,
)

# AWS's own: to create log groups and write to them, in every Region.
LOGS_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

# CloudFormation puts it on what it creates, and with it the CDK.
_STACK = "aws:cloudformation:stack-name"

_NEEDED = "All that this command needs is in edge/deploy/permissions.json."


class Account:
    """Raises AwsTrouble."""

    def __init__(
        self, session: Session, distribution: str, spec: Spec, bundle: bytes
    ) -> None:
        self._who = str(session)
        self._spec = spec
        self._bundle = bundle
        self._functions = Functions(session.client("lambda"), spec.function)
        self._roles = _Roles(session.client("iam"), spec.own_role)
        self._distributions = _Distributions(session.client("cloudfront"), distribution)

    def snapshot(self) -> Snapshot:
        with explained(self._who, _NEEDED):
            function = self._functions.latest()
            distribution = self._distributions.read()
            return Snapshot(
                function,
                self._functions.versions() if function else (),
                self._roles.read(self._spec.role_name(function)),
                distribution,
                self._distributions.policies(distribution.config, self._spec.paths),
            )

    def distribution(self) -> Distribution:
        with explained(self._who, _NEEDED):
            return self._distributions.read()

    def stack(self) -> str | None:
        """The stack of CloudFormation that owns the distribution."""
        with explained(self._who, _NEEDED):
            return self._distributions.stack()

    def policies_of(self, config: dict[str, Any]) -> dict[str, Any]:
        """For check: those that are not readable are said to be so."""
        asked = or_why(self._who, _NEEDED)
        client = self._distributions.client
        return {
            "policies": read_policies(client, behaviours(config), asked),
            "continuousDeploymentPolicy": read_continuous_deployment(
                client, config, asked
            ),
        }

    def condition(self, version: int) -> Condition:
        with explained(self._who, _NEEDED):
            return self._functions.condition(version)

    def address(self, version: int) -> str:
        with explained(self._who, _NEEDED):
            return self._functions.address(version)

    def others(self) -> list[Other]:
        with explained(self._who, _NEEDED):
            return list(self._distributions.others(self._spec.function))

    def perform(self, step: Step) -> Outcome:
        with explained(self._who, _NEEDED):
            return self._performed(step)

    def _performed(self, step: Step) -> Outcome:
        match step:
            case CreateRole(name):
                return self._roles.create(name)
            case AllowLogs(role):
                return self._roles.allow_logs(role)
            case CreateFunction():
                return self._functions.create(step, self._bundle)
            case UpdateCode():
                return self._functions.update_code(step, self._bundle)
            case Configure():
                return self._functions.configure(step)
            case Publish(revision=None) | Associate(version=None):
                raise AssertionError("a plan is carried out from its beginning")
            case Publish():
                return self._functions.publish(step)
            case Associate():
                return self._distributions.associate(step)
            case _:
                assert_never(step)


class _Roles:
    """The role that the function runs as, through boto3's client."""

    def __init__(self, client: Any, own: str) -> None:
        self._client = client
        self._own = own

    def read(self, name: str) -> Role | None:
        if len(name) > LONGEST_ROLE_NAME:  # IAM would not even look
            return None
        try:
            role = self._client.get_role(RoleName=name)["Role"]
        except self._client.exceptions.NoSuchEntityException:
            return None
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


class _Distributions:
    """One distribution, through boto3's client."""

    def __init__(self, client: Any, id_: str) -> None:
        self.client = client
        self._id = id_
        self._arn = ""
        self._policies = dict(MANAGED)

    def read(self) -> Distribution:
        found = get_distribution(self.client, self._id)
        self._arn = found.distribution["ARN"]
        return Distribution(
            id=self._id,
            etag=found.etag,
            is_deployed=found.distribution["Status"] == "Deployed",
            config=found.distribution["DistributionConfig"],
            unknown=("settings",) if found.unknown is None else found.unknown,
        )

    def stack(self) -> str | None:
        if not self._arn:
            self.read()
        answer = self.client.list_tags_for_resource(Resource=self._arn)
        tags = {each["Key"]: each.get("Value", "") for each in items(answer, "Tags")}
        return tags.get(_STACK)

    def policies(
        self, config: dict[str, Any], paths: tuple[str, ...]
    ) -> dict[str, Policy]:
        """Of the gated behaviours. Each is read once: they hardly ever change."""
        for behaviour in gated(config, paths):
            cache = behaviour.raw.get("CachePolicyId")
            request = behaviour.raw.get("OriginRequestPolicyId")
            if cache and cache not in self._policies:
                self._policies[cache] = self._cache_policy(cache)
            if request and request not in self._policies:
                self._policies[request] = self._request_policy(request)
        return dict(self._policies)

    def others(self, function: str) -> Iterator[Other]:
        """What other distributions run, of this function on any event. And what this
        one runs of others."""
        pages = self.client.get_paginator("list_distributions").paginate()
        for page in pages:
            for summary in items(page, "DistributionList"):
                id_ = summary["Id"]
                for version in sorted(live(summary, function)):
                    if id_ != self._id:
                        yield Other(id_, function, version)
                for name, version in sorted(running(summary, ("viewer-request",))):
                    if name != function:
                        yield Other(id_, name, version)

    def associate(self, step: Associate) -> Outcome:
        """All behaviours at once: CloudFront takes the whole or refuses it."""
        exceptions = self.client.exceptions
        try:
            self.client.update_distribution(
                Id=self._id, IfMatch=step.etag, DistributionConfig=step.config
            )
        except (exceptions.PreconditionFailed, exceptions.InvalidIfMatchVersion):
            return Superseded(f"{self._id} was changed by somebody else")
        except exceptions.InvalidLambdaFunctionAssociation as refused:
            if "must be in an Active state" not in str(refused):
                raise
            return Superseded("CloudFront does not know yet that the version is active")
        return Done(f"{self._id} runs version {step.version}")

    def _cache_policy(self, id_: str) -> Policy:
        answer = self.client.get_cache_policy(Id=id_)
        config = answer["CachePolicy"]["CachePolicyConfig"]
        return Policy(config["Name"], of_cache_policy(config))

    def _request_policy(self, id_: str) -> Policy:
        answer = self.client.get_origin_request_policy(Id=id_)
        config = answer["OriginRequestPolicy"]["OriginRequestPolicyConfig"]
        return Policy(config["Name"], of_request_policy(config))
