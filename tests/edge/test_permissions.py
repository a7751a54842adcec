"""The permission documents: enough for every call, and no way up for who has them."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.edge.deploy.cloudfront_service import ID
from tests.support.iam_policy import Document, Request, allows, listed

EDGE = Path(__file__).parents[2] / "edge"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/x402-edge-role"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
DISTRIBUTION = f"arn:aws:cloudfront::{ACCOUNT}:distribution"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"


def document(command: str) -> Document:
    """With the id of the distribution in it, as the guide says."""
    text = (EDGE / command / "permissions.json").read_text()
    found: Document = json.loads(text.replace("DISTRIBUTION-ID", ID))
    return found


def attach(policy: str, role: str = ROLE) -> Request:
    return Request("iam:AttachRolePolicy", role, {"iam:PolicyARN": policy})


def pass_role(role: str, service: str | None) -> Request:
    context = {"iam:PassedToService": service} if service else {}
    return Request("iam:PassRole", role, context)


# By what the holder of the document would have.
ATTACKS = {
    "an administrator's rights for the role of the gate": [
        attach(ADMINISTRATOR),
        attach("arn:aws:iam::aws:policy/IAMFullAccess"),
        attach("arn:aws:iam::aws:policy/PowerUserAccess"),
        attach(f"arn:aws:iam::{ACCOUNT}:policy/AWSLambdaBasicExecutionRole"),
        attach("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRoleX"),
        Request("iam:AttachRolePolicy", ROLE),  # nobody has said which policy
        Request("iam:PutRolePolicy", ROLE),
        Request("iam:UpdateAssumeRolePolicy", ROLE),
        Request("iam:DeleteRolePermissionsBoundary", ROLE),
        Request("iam:CreatePolicyVersion", "*"),
    ],
    "a role with rights for a function or a server of one's own": [
        pass_role(ROLE, "ec2.amazonaws.com"),
        pass_role(ROLE, "cloudformation.amazonaws.com"),
        pass_role(ROLE, None),
        pass_role(f"{ROLES}/administrator", "lambda.amazonaws.com"),
        pass_role(f"{ROLES}/x402-edge-role-administrator", "lambda.amazonaws.com"),
        Request("iam:CreateRole", f"{ROLES}/mine"),
        attach(
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
            f"{ROLES}/administrator",
        ),
        Request(
            "iam:CreateServiceLinkedRole",
            "*",
            {"iam:AWSServiceName": "ecs.amazonaws.com"},
        ),
        Request("iam:CreateServiceLinkedRole", "*"),
        Request("sts:AssumeRole", ROLE),
        Request("lambda:CreateFunction", f"{LAMBDA}:mine"),
    ],
    "the code and the variables of other functions, and their distributions": [
        Request(f"lambda:{action}", f"{LAMBDA}:{name}")
        for action in (
            "GetFunction",
            "GetFunctionConfiguration",
            "ListVersionsByFunction",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
            "EnableReplication*",
            "InvokeFunction",
        )
        for name in ("payroll", "payroll:7", "x402-edgeless", "my-x402-edge")
    ]
    + [
        Request(f"cloudfront:{action}", f"{DISTRIBUTION}/E3OTHEREXAMPLE")
        for action in ("GetDistribution", "UpdateDistribution", "DeleteDistribution")
    ]
    + [Request("iam:GetRole", f"{ROLES}/administrator")],
}


@pytest.mark.parametrize("command", ["deploy", "check"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_who_has_a_document_gets_no_more_than_that(attack: str, command: str) -> None:
    given = document(command)
    assert [each for each in ATTACKS[attack] if allows(given, each)] == []


WEAKENED = [
    (index, part)
    for index, statement in enumerate(document("deploy")["Statement"])
    for part in ("Condition", "Resource")
    if part in statement and statement[part] != "*"
]


@pytest.mark.parametrize(("index", "part"), WEAKENED)
def test_every_condition_and_every_resource_keeps_somebody_out(
    index: int, part: str
) -> None:
    """Each of them is missed when it is taken out."""
    given = deepcopy(document("deploy"))
    statement = given["Statement"][index]
    if part == "Condition":
        del statement["Condition"]
    else:
        statement["Resource"] = "*"
    attacks = [each for attack in ATTACKS.values() for each in attack]
    assert [each for each in attacks if allows(given, each)] != []


@pytest.mark.parametrize("command", ["deploy", "check"])
def test_nothing_is_for_everything_that_could_be_for_less(command: str) -> None:
    """These are lists, or read what AWS shows for no resource of one's own."""
    for statement in document(command)["Statement"]:
        if "*" in listed(statement["Resource"]) and "Condition" not in statement:
            for action in listed(statement["Action"]):
                assert action in FOR_EVERYTHING


FOR_EVERYTHING = {
    "cloudfront:GetCachePolicy",
    "cloudfront:GetContinuousDeploymentPolicy",
    "cloudfront:GetOriginRequestPolicy",
    "cloudfront:GetRealtimeLogConfig",
    "cloudfront:GetResponseHeadersPolicy",
    "cloudfront:ListDistributions",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:ListMetrics",
    "logs:DescribeLogGroups",
    "logs:DescribeMetricFilters",
    "logs:TestMetricFilter",
}


def test_without_the_id_of_a_distribution_nothing_is_written() -> None:
    """The document as it is in the repository."""
    given = json.loads((EDGE / "deploy" / "permissions.json").read_text())
    write = Request("cloudfront:UpdateDistribution", f"{DISTRIBUTION}/{ID}")
    assert not allows(given, write)


READ = Request("s3:GetObject", "arn:aws:s3:::bucket/key", {"aws:SourceIp": "1"})


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"Action": "S3:get*"}, True),
        ({"Action": ["s3:PutObject", "s3:GetObject"]}, True),
        ({"Action": "s3:GetObjectAcl"}, False),
        ({"Resource": "arn:aws:s3:::bucket/*"}, True),
        ({"Resource": "arn:aws:s3:::BUCKET/key"}, False),
        ({"Resource": "arn:aws:s3:::bucket"}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"AWS:sourceip": ["1", "2"]}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceIp": "*"}}}, False),
        ({"Condition": {"StringLike": {"aws:SourceIp": "*"}}}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": "*"}}}, False),
        (
            {
                "Condition": {
                    "StringEquals": {"aws:SourceIp": "1"},
                    "StringLike": {"aws:SourceIp": "2"},
                }
            },
            False,
        ),
    ],
)
def test_documents_are_evaluated_as_iam_does(
    changes: dict[str, Any], allowed: bool
) -> None:
    statement = {"Effect": "Allow", "Action": READ.action, "Resource": READ.resource}
    assert allows({"Statement": [statement | changes]}, READ) is allowed
    denied = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    assert not allows({"Statement": [statement | changes, denied]}, READ)
