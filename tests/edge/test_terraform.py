"""The Terraform module says what `deploy` does. Nobody has applied it."""

import re
from pathlib import Path
from typing import Any

import hcl2

from edge.aws.lambda_at_edge import (
    ARCHITECTURE,
    EVENTS,
    HANDLER,
    MEMORY,
    PRINCIPALS,
    RUNTIMES,
    TIMEOUT,
    X402_TIMEOUT,
    log_group,
)
from edge.aws.managed_policies import (
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
)
from edge.deploy.options import DEFAULT_NAME

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploying-the-edge.md").read_text()
MODULE = (ROOT / "edge" / "terraform" / "main.tf").read_text()


def plain(value: Any) -> Any:
    """Without the quotes that the parser keeps around strings and labels."""
    match value:
        case dict():
            return {plain(key): plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case str():
            return value.strip('"')
    return value


DOCUMENT = plain(hcl2.loads(MODULE))


def only(kind: str, *labels: str) -> dict[str, Any]:
    found: Any = [block for block in DOCUMENT[kind] if labels[0] in block]
    (found,) = found
    for label in labels:
        found = found[label]
    return dict(found)


def test_the_function_is_as_deploy_makes_it() -> None:
    function = only("resource", "aws_lambda_function", "gate")
    assert function["handler"] == HANDLER
    assert function["runtime"] == RUNTIMES[0]
    assert function["architectures"] == [ARCHITECTURE]
    assert function["memory_size"] == MEMORY
    assert function["timeout"] == "${var.timeout}"
    timeout = only("variable", "timeout")
    assert timeout["default"] == TIMEOUT
    assert timeout["description"].startswith(f"{X402_TIMEOUT} where")
    (rule,) = timeout["validation"]
    assert (
        rule["condition"] == f"${{contains([{TIMEOUT}, {X402_TIMEOUT}], var.timeout)}}"
    )
    assert only("variable", "function_name")["default"] == DEFAULT_NAME


def test_a_numbered_version_of_the_zip_is_published_where_it_must_be() -> None:
    function = only("resource", "aws_lambda_function", "gate")
    assert function["publish"] is True
    assert function["skip_destroy"] is True
    assert function["filename"] == "${var.bundle}"
    assert function["source_code_hash"] == "${filebase64sha256(var.bundle)}"
    assert function["provider"] == "${aws.us_east_1}"
    for unsupported in ("environment", "layers", "vpc_config", "tracing_config"):
        assert unsupported not in function


def test_both_triggers_get_that_version() -> None:
    associations = only("output", "associations")["value"]
    assert set(associations) == set(EVENTS)
    assert set(associations.values()) == {"${aws_lambda_function.gate.qualified_arn}"}


def test_the_role_is_for_the_function_and_its_replicas_and_only_logs() -> None:
    trust = only("resource", "aws_iam_role", "gate")["assume_role_policy"]
    assert set(re.findall(r'"([\w.]+\.amazonaws\.com)"', trust)) == PRINCIPALS
    policy = only("resource", "aws_iam_role_policy", "logs")["policy"]
    assert set(re.findall(r'"(\w+:\w+)"', policy)) == {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    group = log_group("${var.function_name}")
    assert re.findall(r'"arn:aws:logs:[^"]+"', policy) == [
        f'"arn:aws:logs:*:*:log-group:{group}"',
        f'"arn:aws:logs:*:*:log-group:{group}:*"',
    ]


def test_it_says_that_nobody_has_applied_it() -> None:
    assert "we have not\n# applied it" in MODULE
    assert "We have not applied it" in PAGE


def test_the_page_gives_the_paid_paths_the_policies_that_they_need() -> None:
    section = PAGE.partition("### Terraform")[2].partition("### The CDK")[0]
    given = dict(re.findall(r'(\w+_policy_id) += "([\w-]+)"', section))
    assert given == {
        "cache_policy_id": CACHING_DISABLED,
        "origin_request_policy_id": ALL_VIEWER_EXCEPT_HOST_HEADER,
    }
