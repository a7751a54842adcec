"""What is not done, and what the operator is told to do about it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from edge.aws.managed_policies import CACHING_OPTIMIZED
from edge.build.bundle import SETTINGS, document
from edge.build.environment import read_environment
from edge.build.routes_file import read_routes
from edge.build.zip import build
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    behaviour,
    distribution,
    function_association,
    lambda_association,
    listed,
)
from tests.edge.deploy.operator import Operator
from tests.support.zips import doubled, rewritten


def with_associations(**more: Any) -> dict[str, Any]:
    return distribution(behaviour("api", "/api/*", **more), behaviour("api", "/api"))


CONFLICTS = [
    pytest.param(
        with_associations(
            LambdaFunctionAssociations=listed(
                lambda_association("viewer-request", "auth", 7)
            )
        ),
        "behaviour /api/*: viewer-request runs auth version 7, and AWS lets only one",
        id="another function",
    ),
    pytest.param(
        with_associations(
            LambdaFunctionAssociations=listed(
                lambda_association("origin-response", "headers", 2)
            )
        ),
        "behaviour /api/*: origin-response runs headers version 2",
        id="another function at the other trigger",
    ),
    pytest.param(
        with_associations(
            FunctionAssociations=listed(
                function_association("viewer-request", "rewrite")
            )
        ),
        "behaviour /api/*: viewer-request runs CloudFront Function rewrite",
        id="a CloudFront Function",
    ),
    pytest.param(
        with_associations(
            FunctionAssociations=listed(
                function_association("viewer-response", "headers")
            )
        ),
        "behaviour /api/*: viewer-response runs CloudFront Function headers",
        id="a CloudFront Function that AWS does not let share the behaviour",
    ),
]


@pytest.mark.parametrize(("config", "reason"), CONFLICTS)
def test_what_is_in_the_way_is_named_and_left_there(
    hire: Hire, config: dict[str, Any], reason: str
) -> None:
    operator = hire(config)
    before = operator.account.state()
    assert operator.deploy("--yes") == 2
    assert reason in operator.said[-1]
    assert "--replace" in operator.said[-1]
    assert operator.account.state() == before


@pytest.mark.parametrize(("config", "_reason"), CONFLICTS)
def test_what_is_in_the_way_goes_when_told_to(
    hire: Hire, config: dict[str, Any], _reason: str
) -> None:
    operator = hire(config)
    assert operator.deploy("--yes", "--replace") == 0
    raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][0]
    assert raw["LambdaFunctionAssociations"] == listed(
        lambda_association("viewer-request", "x402-edge", 1),
        lambda_association("origin-response", "x402-edge", 1),
    )
    assert raw["FunctionAssociations"] == {"Quantity": 0}


def test_the_plan_says_what_replacing_takes_off(hire: Hire) -> None:
    config = with_associations(
        FunctionAssociations=listed(function_association("viewer-response", "headers"))
    )
    operator = hire(config)
    operator.deploy("--plan", "--replace")
    line = "viewer-response        CloudFront Function headers → none"
    assert line in operator.read


def test_a_function_that_goes_may_be_another_gate(hire: Hire) -> None:
    """Its bundle is not read, so neither its paths nor its signatures are compared."""
    operator = hire(distribution(behaviour("api", "/api"), behaviour("api", "/api/*")))
    operator.deploy("--yes", "--function-name", "old-gate")
    operator.said.clear()
    operator.deploy("--plan", "--replace", "--function-name", "new-gate")
    (note,) = [line for line in operator.said if line.startswith("note: ")]
    assert note == (
        "note: old-gate is taken off /api, /api/*. If it is a gate, its paths that are"
        " not in this bundle become free, and its signatures were not compared with"
        " this bundle's"
    )


@pytest.mark.parametrize("event", ["viewer-request", "origin-response"])
def test_only_what_runs_first_can_be_a_gate(hire: Hire, event: str) -> None:
    theirs = listed(lambda_association(event, "admin-login", 4))
    operator = hire(with_associations(LambdaFunctionAssociations=theirs))
    operator.deploy("--plan", "--replace")
    is_said = "note: admin-login is taken off" in operator.read
    assert is_said == (event == "viewer-request")


@pytest.mark.parametrize("options", [(), ("--replace",)])
def test_a_way_around_the_gate_is_not_left_open(
    hire: Hire, options: tuple[str, ...]
) -> None:
    """AWS: Lambda@Edge is not supported with gRPC requests."""
    operator = hire(with_associations(GrpcConfig={"Enabled": True}))
    assert operator.deploy("--yes", *options) == 2
    assert "behaviour /api/*: gRPC is enabled" in operator.said[-1]
    assert operator.account.changes == []
    operator.account.cloudfront.config["CacheBehaviors"]["Items"][0]["GrpcConfig"] = {
        "Enabled": False
    }
    assert operator.deploy("--yes") == 0


VPC = {"VpcOriginConfig": {"VpcOriginId": "vo_1", "OriginReadTimeout": 30}}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/c"
MUTUAL_TLS = {"OriginMtlsConfig": {"ClientCertificateArn": CERTIFICATE}}


def in_a_vpc(origin: dict[str, Any]) -> None:
    del origin["CustomOriginConfig"]
    origin |= VPC


def with_mutual_tls(origin: dict[str, Any]) -> None:
    origin["CustomOriginConfig"] |= MUTUAL_TLS


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("member", [0, 1])
@pytest.mark.parametrize(
    ("change", "why"),
    [(in_a_vpc, "is in a VPC"), (with_mutual_tls, "uses mutual TLS")],
)
def test_an_origin_whose_responses_are_never_settled_is_refused(
    hire: Hire,
    change: Callable[[dict[str, Any]], None],
    why: str,
    member: int,
    grouped: bool,
) -> None:
    """AWS runs no origin-response function there. A free origin may be like that."""
    config = with_associations()
    name = ("api", "site")[member]
    change(config["Origins"]["Items"][member])
    if grouped:
        members = listed({"OriginId": "api"}, {"OriginId": "site"})
        codes = {"StatusCodes": {"Quantity": 1, "Items": [503]}}
        group = {"Id": "both", "FailoverCriteria": codes, "Members": members}
        config["OriginGroups"] = listed(group)
        config["CacheBehaviors"]["Items"][0]["TargetOriginId"] = "both"
    operator = hire(config)
    if name == "site" and not grouped:
        assert operator.deploy("--yes", "--replace") == 0
        return
    assert operator.deploy("--plan") == 2
    assert operator.deploy("--yes", "--replace") == 2
    assert f"behaviour /api/*: the origin {name} {why}, and AWS runs no" in (
        operator.read
    )
    assert operator.account.changes == []


def test_functions_that_are_in_nobodys_way_stay(hire: Hire) -> None:
    other = lambda_association("origin-request", "rewrite", 3)
    operator = hire(with_associations(LambdaFunctionAssociations=listed(other)))
    assert operator.deploy("--yes") == 0
    raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][0]
    assert other in raw["LambdaFunctionAssociations"]["Items"]
    assert raw["LambdaFunctionAssociations"]["Quantity"] == 3


def test_an_association_that_reads_the_body_no_longer_does(hire: Hire) -> None:
    operator = hire()
    operator.deploy("--yes")
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    items[0]["LambdaFunctionAssociations"]["Items"][0]["IncludeBody"] = True
    operator.account.cloudfront.change()
    assert operator.deploy("--yes") == 0
    line = "viewer-request  x402-edge version 1 with the body → x402-edge version 1"
    assert line in operator.read
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    assert not items[0]["LambdaFunctionAssociations"]["Items"][0]["IncludeBody"]


UNFIT = [
    ({"Environment": {"Variables": {"TOKEN": "s3cret"}}}, "variables (TOKEN)"),
    ({"Layers": [{"Arn": "arn:aws:lambda:us-east-1:1:layer:l:1"}]}, "layers"),
    ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "a VPC"),
    ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:::q"}}, "a dead letter queue"),
    ({"TracingConfig": {"Mode": "Active"}}, "X-Ray tracing"),
    ({"PackageType": "Image"}, "a container image"),
    ({"EphemeralStorage": {"Size": 1024}}, "more than 512 MB of storage"),
]


@pytest.mark.parametrize(("setting", "name"), UNFIT)
def test_a_function_that_cannot_be_a_gate_is_left_alone(
    operator: Operator, setting: dict[str, Any], name: str
) -> None:
    operator.deploy("--yes")
    assert operator.account.functions.latest is not None
    operator.account.functions.latest |= setting
    before = operator.account.state()
    assert operator.deploy("--yes", environment=NEW_KEY) == 2
    assert (
        f"x402-edge has {'environment ' if 'TOKEN' in name else ''}{name}"
        in (operator.said[-1])
    )
    assert "name another with --function-name" in operator.said[-1]
    assert "s3cret" not in operator.read
    assert operator.account.state() == before


def test_a_version_that_cannot_be_a_gate_is_not_taken_for_one(
    operator: Operator,
) -> None:
    """The same bundle, published while somebody had given it a layer."""
    operator.deploy("--yes")
    operator.account.functions.published[0]["Layers"] = [
        {"Arn": "arn:aws:lambda:us-east-1:1:layer:l:1"}
    ]
    operator.account.functions._published_revision = "before it was taken out"
    assert operator.deploy("--yes") == 0
    assert len(operator.account.functions.published) == 2


def test_a_function_that_failed_is_named(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.account.functions.latest is not None
    operator.account.functions.latest |= {
        "State": "Failed",
        "StateReason": "The image is gone",
    }
    assert operator.deploy("--yes", environment=NEW_KEY) == 2
    assert "its state is Failed: The image is gone. Delete it" in operator.said[-1]


def test_a_function_of_another_architecture_is_changed(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.account.functions.latest is not None
    operator.account.functions.latest["Architectures"] = ["arm64"]
    operator.account.functions.published[0]["Architectures"] = ["arm64"]
    operator.account.functions._published_revision = "one before"
    assert operator.deploy("--yes") == 0
    assert "  architecture  arm64 → x86_64" in operator.said
    assert operator.account.functions.published[1]["Architectures"] == ["x86_64"]


def test_an_inactive_function_is_woken_by_an_update(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.account.functions.latest is not None
    operator.account.functions.latest["State"] = "Inactive"
    assert operator.deploy("--yes", environment=NEW_KEY) == 0


def test_a_version_that_never_becomes_active_is_not_associated(
    operator: Operator,
) -> None:
    def before(called: str) -> None:
        for version in operator.account.functions.published:
            version |= {"State": "Failed", "StateReason": "no space"}

    operator.account.before = before
    untouched = operator.account.state()["distribution"]
    assert operator.deploy("--yes") == 1
    assert operator.said[-1] == (
        "edge deploy: version 1 of x402-edge cannot be used:"
        " its state is Failed: no space."
    )
    assert operator.account.state()["distribution"] == untouched


def test_a_role_that_the_edge_cannot_assume_is_named(operator: Operator) -> None:
    arn = operator.account.iam.add_role("mine", "lambda.amazonaws.com")
    assert operator.deploy("--yes", "--role", arn) == 2
    assert operator.said[-1] == (
        "edge deploy: the role mine cannot be assumed by edgelambda.amazonaws.com."
        " Add that to its trust relationship, for sts:AssumeRole and without a"
        " condition."
    )
    assert operator.account.changes == []


ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole"}
BOTH = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"]


@pytest.mark.parametrize(
    ("statements", "is_trusted"),
    [
        ([ASSUME | {"Principal": {"Service": BOTH}}], True),
        ([ASSUME | {"Principal": {"Service": name}} for name in BOTH], True),
        ([ASSUME | {"Principal": {"Service": BOTH}, "Action": ["sts:*"]}], True),
        (ASSUME | {"Principal": {"Service": BOTH}}, True),
        ([ASSUME | {"Principal": {"Service": BOTH}, "Effect": "Deny"}], False),
        (
            [ASSUME | {"Principal": {"Service": BOTH}, "Action": "sts:TagSession"}],
            False,
        ),
        (
            [
                ASSUME | {"Principal": {"Service": BOTH}},
                ASSUME | {"Principal": {"Service": BOTH[1]}, "Effect": "Deny"},
            ],
            False,
        ),
        (
            [
                ASSUME | {"Principal": {"Service": BOTH}},
                ASSUME | {"Principal": "*", "Effect": "Deny"},
            ],
            False,
        ),
        (
            [
                ASSUME
                | {"Principal": {"Service": BOTH}}
                | {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}}
            ],
            False,
        ),
        ([ASSUME | {"Principal": {"AWS": "123456789012"}}], False),
        ([ASSUME | {"Principal": "*"}], False),
    ],
)
def test_a_trust_relationship_is_read_however_it_is_written(
    operator: Operator, statements: Any, is_trusted: bool
) -> None:
    arn = operator.account.iam.add_role("mine")
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    operator.account.iam.roles["mine"]["AssumeRolePolicyDocument"] = document
    assert operator.deploy("--plan", "--role", arn) == (0 if is_trusted else 2)


def test_a_role_that_is_given_is_used_and_not_changed(operator: Operator) -> None:
    arn = operator.account.iam.add_role(
        "mine", "lambda.amazonaws.com", "edgelambda.amazonaws.com"
    )
    before = operator.account.state()["roles"]
    assert operator.deploy("--yes", "--role", arn) == 0
    assert operator.account.functions.published[0]["Role"] == arn
    assert operator.account.state()["roles"] == before
    assert operator.account.state()["policies"] == {"mine": []}


def test_a_role_that_does_not_exist_is_named(operator: Operator) -> None:
    arn = "arn:aws:iam::123456789012:role/none"
    assert operator.deploy("--yes", "--role", arn) == 2
    assert "the role none does not exist" in operator.said[-1]


def test_a_function_whose_role_is_gone_is_named(operator: Operator) -> None:
    operator.deploy("--yes")
    del operator.account.iam.roles["x402-edge-role"]
    assert operator.deploy("--yes", environment=NEW_KEY) == 2
    assert "the role x402-edge-role does not exist" in operator.said[-1]


def test_a_name_too_long_for_a_role_needs_one(operator: Operator) -> None:
    assert operator.deploy("--yes", "--function-name", "x" * 60) == 2
    assert "is too long for a role's name. Name one with --role" in operator.said[-1]


def test_a_distribution_that_is_not_there_is_named(operator: Operator) -> None:
    assert operator.deploy("--yes", "--distribution-id=E3AAAAAAAAAAAA") == 1
    assert operator.said[-1] == (
        "edge deploy: there is no distribution E3AAAAAAAAAAAA in this account."
        " Is --distribution-id right, and the profile?"
    )


TEST_KEY = ENVIRONMENT | {"NEXFLOW_API_KEY": "nf_test_SECRET"}
PRIVATE = ENVIRONMENT | {"NEXFLOW_FACILITATOR_URL": "https://10.0.0.5/x402"}
LINK_LOCAL = ENVIRONMENT | {"NEXFLOW_FACILITATOR_URL": "https://[fe80::1]/x402"}
LOOPBACK = ENVIRONMENT | {"NEXFLOW_FACILITATOR_URL": "http://127.0.0.1:9/x402"}


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "NEXFLOW_FACILITATOR_URL is not set"),
        (TEST_KEY, "NEXFLOW_API_KEY is a test key"),
        (LOOPBACK, "the facilitator is this machine"),
        (PRIVATE, "the facilitator is a private address"),
        (LINK_LOCAL, "the facilitator is a private address"),
    ],
)
def test_a_bundle_that_would_be_wrong_on_the_internet_is_refused(
    operator: Operator, environment: dict[str, str], reason: str
) -> None:
    assert operator.deploy("--yes", environment=environment) == 2
    assert operator.said[-1].startswith(f"edge deploy: {reason}")
    assert operator.account.calls == []


def test_a_test_key_is_refused_before_anything_is_built(operator: Operator) -> None:
    for command in (operator.deploy, operator.rotate):
        operator.said.clear()
        assert command("--yes", environment=TEST_KEY) == 2
        assert " NEXFLOW_API_KEY is a test key, with which " in operator.said[0]
    assert operator.account.calls == []


def test_a_test_key_is_deployed_when_told_to(operator: Operator) -> None:
    assert operator.deploy("--yes", "--allow-test-key", environment=TEST_KEY) == 0
    assert "warning: NEXFLOW_API_KEY is a test key" in operator.read


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda _file: None, "cannot be read: No such file or directory."),
        (lambda file: file.write_bytes(b"no zip"), "is not a bundle of this version."),
    ],
)
def test_a_file_that_is_no_bundle_is_refused(
    operator: Operator, write: Callable[[Any], object], reason: str
) -> None:
    file = operator.routes.with_name("other.zip")
    write(file)
    assert operator.deploy("--yes", "--bundle", str(file)) == 2
    assert f"other.zip {reason}" in operator.said[-1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda zip_: rewritten(zip_, "edge/gate.py", b"pass"), "edge/gate.py"),
        (lambda zip_: rewritten(zip_, "handler.py", b"handler = print"), "handler.py"),
        (lambda zip_: rewritten(zip_, "json.py", b"pass"), "json.py"),
        (lambda zip_: rewritten(zip_, "edge/routes.py", None), "edge/routes.py"),
        (lambda zip_: doubled(zip_, "edge/gate.py", b"pass"), "edge/gate.py"),
        (lambda zip_: doubled(zip_, SETTINGS, b"{}"), SETTINGS),
    ],
)
def test_a_bundle_whose_code_was_changed_is_refused(
    operator: Operator, change: Callable[[bytes], bytes], named: str
) -> None:
    built = build(read_environment(ENVIRONMENT), read_routes(operator.routes))
    file = operator.routes.with_name("lambda-edge.zip")
    file.write_bytes(change(built.content))
    assert operator.deploy("--yes", "--bundle", str(file)) == 2
    wanted = f"edge deploy: the code in {file} differs from this checkout: {named}."
    assert operator.said[-1].startswith(wanted)
    assert operator.account.calls == []


def test_a_bundle_that_would_show_its_key_on_the_way_is_refused(
    operator: Operator,
) -> None:
    built = build(read_environment(ENVIRONMENT), read_routes(operator.routes))
    edited = json.dumps(document(built.content)).replace("https://", "http://")
    file = operator.routes.with_name("lambda-edge.zip")
    file.write_bytes(rewritten(built.content, SETTINGS, edited.encode()))
    assert operator.deploy("--yes", "--bundle", str(file)) == 2
    assert "the facilitator is asked over http://" in operator.said[-1]
    assert operator.account.calls == []


def test_a_disabled_distribution_is_noted(hire: Hire) -> None:
    config = distribution(behaviour("api", "/api/*"), behaviour("api", "/api"))
    operator = hire(config | {"Enabled": False})
    assert operator.deploy("--plan") == 0
    assert operator.said[-1] == (
        "note: the distribution is disabled, so nobody can reach it"
    )


def test_a_site_that_is_gated_for_one_path_is_noted(hire: Hire) -> None:
    """The route /api/* includes /api, and CloudFront's pattern /api/* does not."""
    operator = hire(distribution(behaviour("api", "/api/*")))
    operator.deploy("--plan")
    assert operator.said[-1] == (
        "note: * is gated and no longer cached because it serves /api. To keep it"
        " cached, add a behaviour for /api in CloudFront first."
    )


def test_a_site_that_is_not_gated_is_not_noted(hire: Hire) -> None:
    operator = hire(distribution(behaviour("api", "/api"), behaviour("api", "/api/*")))
    operator.deploy("--plan")
    assert "note:" not in operator.read
    default = operator.account.cloudfront.config["DefaultCacheBehavior"]
    assert default["CachePolicyId"] == CACHING_OPTIMIZED
