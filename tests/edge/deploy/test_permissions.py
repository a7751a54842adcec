"""What an operator has to be allowed, and nothing else."""

import json
from pathlib import Path
from typing import Any

from tests.edge.deploy.cloudfront_service import ID, cache_policy, request_policy
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    behaviour,
    distribution,
)
from tests.support.iam_policy import allows
from tests.support.iam_requests import requests

LOG = "arn:aws:cloudfront::123456789012:realtime-log-config/log"
DOCUMENT = Path(__file__).parents[3] / "edge" / "deploy" / "permissions.json"

# No call of ours asks for these. AWS does, on the way:
ON_THE_WAY = {
    "iam:PassRole",  # creating a function, or giving it another role
    "lambda:EnableReplication*",  # associating a version
    "lambda:DisableReplication*",  # and taking another one off
    "iam:CreateServiceLinkedRole",  # the first association of an account
}


def allowed() -> list[str]:
    statements: list[dict[str, Any]] = json.loads(DOCUMENT.read_text())["Statement"]
    return [
        action
        for statement in statements
        for action in (
            statement["Action"]
            if isinstance(statement["Action"], list)
            else [statement["Action"]]
        )
    ]


def test_every_call_is_allowed_and_every_permission_is_used(hire: Hire) -> None:
    own = {"CachePolicyId": "kept", "OriginRequestPolicyId": "sent"}
    operator = hire(distribution(default=behaviour("api", **own)))
    cloudfront = operator.account.cloudfront
    cloudfront.cache_policies["kept"] = cache_policy("kept")
    cloudfront.request_policies["sent"] = request_policy("sent", "none")
    raw = operator.account.cloudfront.config["DefaultCacheBehavior"]
    raw |= {"ResponseHeadersPolicyId": "answers", "RealtimeLogConfigArn": LOG}
    operator.account.cloudfront.config["ContinuousDeploymentPolicyId"] = "canary"
    assert operator.deploy("--yes") == 0
    assert operator.deploy("--yes", "--memory", "256", environment=NEW_KEY) == 0
    assert operator.roll_back("--yes") == 0
    assert operator.rotate("--yes", environment=NEW_KEY) == 0
    assert sorted({*operator.account.calls, *ON_THE_WAY}) == sorted(allowed())
    account = operator.account
    document = json.loads(DOCUMENT.read_text().replace("DISTRIBUTION-ID", ID))
    asked = [
        request
        for call, given in zip(account.calls, account.parameters, strict=True)
        for request in requests(call, given, "123456789012")
    ]
    assert [each for each in asked if not allows(document, each)] == []
    assert {each.action for each in asked} == set(allowed())


def test_no_permission_is_given_twice_or_for_everything() -> None:
    assert len(set(allowed())) == len(allowed())
    assert {action for action in allowed() if "*" in action} <= ON_THE_WAY


def test_the_document_is_a_policy_of_iam() -> None:
    document = json.loads(DOCUMENT.read_text())
    assert document["Version"] == "2012-10-17"
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Sid"].isalnum()
        assert statement["Resource"]
    assert ENVIRONMENT["NEXFLOW_API_KEY"] not in DOCUMENT.read_text()
