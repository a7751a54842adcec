"""The same against a pretended AWS of somebody else's making.

It is truthful about functions, versions and roles. It drops the associations of a
distribution, has no cache policies and no revisions.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped] # ships no types
import pytest
from moto import mock_aws

from edge.aws.managed_policies import ALL_VIEWER, CACHING_DISABLED
from edge.deploy import commands
from edge.deploy.terminal import System
from tests.edge.deploy.clock import Clock
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    ROUTES,
    behaviour,
    distribution,
    listed,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # moto's own


@pytest.fixture
def distribution_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    policies = {"CachePolicyId": CACHING_DISABLED, "OriginRequestPolicyId": ALL_VIEWER}
    config = distribution(default=behaviour("api", **policies))
    config["Origins"] = listed(config["Origins"]["Items"][0])
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        cloudfront = boto3.client("cloudfront", region_name="us-east-1")
        made = cloudfront.create_distribution(DistributionConfig=config)
        yield made["Distribution"]["Id"]


def deploy(
    directory: Path, id_: str, environment: dict[str, str], said: list[str]
) -> int:
    routes, clock = directory / "routes.toml", Clock()
    routes.write_text(ROUTES)
    parser = argparse.ArgumentParser()
    commands.add_deploy(parser.add_subparsers())
    target = ["--distribution-id", id_, "--routes", str(routes)]
    system = System(say=said.append, now=clock.now, sleep=clock.sleep)
    options = parser.parse_args(["deploy", "--yes", *target])
    return commands.deploy(options, environment, system)


def versions() -> list[dict[str, Any]]:
    client = boto3.client("lambda", region_name="us-east-1")
    found = client.list_versions_by_function(FunctionName="x402-edge")["Versions"]
    return [each for each in found if each["Version"] != "$LATEST"]


def test_function_role_and_versions_are_made(
    distribution_id: str, tmp_path: Path
) -> None:
    for environment in (ENVIRONMENT, ENVIRONMENT, NEW_KEY):
        deploy(tmp_path, distribution_id, environment, [])
    first, second = versions()
    assert first["CodeSha256"] != second["CodeSha256"]
    for version in (first, second):
        assert version["Runtime"] == "python3.13"
        assert (version["Timeout"], version["MemorySize"]) == (5, 128)
    client = boto3.client("iam", region_name="us-east-1")
    role = client.get_role(RoleName="x402-edge-role")["Role"]
    assert first["Role"] == role["Arn"]
    trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    assert trusted == ["edgelambda.amazonaws.com", "lambda.amazonaws.com"]
    attached = client.list_attached_role_policies(RoleName="x402-edge-role")
    assert [each["PolicyName"] for each in attached["AttachedPolicies"]] == [
        "AWSLambdaBasicExecutionRole"
    ]


def test_an_association_that_is_dropped_is_noticed(
    distribution_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What AWS says is not taken for what AWS does."""
    said: list[str] = []
    assert deploy(tmp_path, distribution_id, ENVIRONMENT, said) == 1
    assert any("published a version" in line for line in said)
    assert capsys.readouterr().err == (
        "edge deploy: AWS accepted the change, but it does not show up:"
        f" {distribution_id} runs version 1. Look at the account, then repeat.\n"
    )
