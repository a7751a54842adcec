"""What an operator reads before agreeing: what check will say, what becomes free."""

from collections.abc import Callable
from http.client import IncompleteRead
from typing import Any

import pytest

from tests.edge.deploy.cloudfront_service import ID
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    ROUTE,
    ROUTES,
    behaviour,
    distribution,
    lambda_association,
    listed,
)
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.test_agreement import ALL, api, checked
from tests.edge.deploy.test_trouble import denying
from tests.edge.deploy.wire import WiredSession

Config = dict[str, Any]
Change = Callable[[Config], object]


def origin(config: Config) -> Config:
    found: Config = config["Origins"]["Items"][0]
    return found


def paid(config: Config) -> Config:
    found: Config = config["DefaultCacheBehavior"]
    return found


def grouped(config: Config) -> None:
    members = listed({"OriginId": "api"}, {"OriginId": "site"})
    codes = {"StatusCodes": {"Quantity": 1, "Items": [503]}}
    config["OriginGroups"] = listed(
        {"Id": "both", "FailoverCriteria": codes, "Members": members}
    )
    paid(config)["TargetOriginId"] = "both"


def canary(config: Config) -> None:
    config["ContinuousDeploymentPolicyId"] = "canary"


INTENT = "x-settlement-intent-id"

SAID: list[tuple[str, str, Change]] = [
    ("fail", "headers.path", lambda it: origin(it).update(OriginPath="/v1")),
    (
        "fail",
        "headers.added",
        lambda it: origin(it).update(
            CustomHeaders=listed({"HeaderName": INTENT, "HeaderValue": "1"})
        ),
    ),
    (
        "fail",
        "origin.protocol",
        lambda it: origin(it)["CustomOriginConfig"].update(
            OriginProtocolPolicy="http-only"
        ),
    ),
    ("fail", "distribution.enabled", lambda it: it.update(Enabled=False)),
    (
        "fail",
        "errors.pages",
        lambda it: it.update(
            CustomErrorResponses=listed(
                {
                    "ErrorCode": 503,
                    "ResponsePagePath": "/503.html",
                    "ResponseCode": "200",
                    "ErrorCachingMinTTL": 0,
                }
            )
        ),
    ),
    ("warn of", "distribution.staging", canary),
    ("warn of", "origin.groups", grouped),
    (
        "warn of",
        "origin.timeout",
        lambda it: origin(it)["CustomOriginConfig"].update(OriginReadTimeout=10),
    ),
    (
        "warn of",
        "viewer.methods",
        lambda it: paid(it).update(
            AllowedMethods={"Quantity": 2, "Items": ["HEAD", "GET"]}
        ),
    ),
    (
        "warn of",
        "headers.signed-urls",
        lambda it: paid(it).update(
            TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": ["group"]}
        ),
    ),
    (
        "warn of",
        "headers.answers",
        lambda it: paid(it).update(ResponseHeadersPolicyId="answers"),
    ),
    ("fail", "headers.logged", lambda it: paid(it).update(RealtimeLogConfigArn=LOG)),
    (
        "warn of",
        "triggers.others",
        lambda it: paid(it).update(
            LambdaFunctionAssociations=listed(
                lambda_association("origin-request", "rewrite", 1)
            )
        ),
    ),
]

LOG = "arn:aws:cloudfront::123456789012:realtime-log-config/log"


@pytest.mark.parametrize(("kind", "name", "change"), SAID)
def test_what_check_will_say_is_said_before_the_question(
    hire: Hire,
    session: WiredSession,
    tmp_path: Any,
    kind: str,
    name: str,
    change: Change,
) -> None:
    """And check does say it: nothing is fixed on the way."""
    config = distribution(default=api())
    change(config)
    operator = hire(config)
    operator.answers = [False]
    assert operator.deploy() == 2
    said = operator.said[: operator.said.index("Do this?")]
    lines = [line for line in said if line.startswith(f"check will {kind} {name}: ")]
    assert len(lines) == 1
    assert operator.account.changes == []
    operator.said.clear()
    assert operator.deploy("--yes") == 0
    assert lines[0] in operator.said
    assert name in checked(operator, session, tmp_path / "saved.json")


def test_a_default_root_object_on_a_gated_root_is_said(hire: Hire) -> None:
    operator = hire(distribution(default=api()) | {"DefaultRootObject": "index.html"})
    operator.deploy("--plan")
    assert "root-object" not in operator.read
    operator.routes.write_text(ROUTES.replace("/api/*", "/*"))
    operator.deploy("--plan")
    assert "check will fail distribution.root-object: A route gates /" in operator.read


def test_a_gate_that_no_page_can_read_is_said(hire: Hire) -> None:
    operator = hire(distribution(default=api()))
    operator.deploy("--plan")
    assert "headers.cors" not in operator.read
    operator.routes.write_text(ROUTE)
    operator.deploy("--plan")
    assert "check will warn of headers.cors: No page in a browser" in operator.read


def test_a_good_configuration_has_nothing_to_be_said(hire: Hire) -> None:
    operator = hire(distribution(default=api()))
    operator.deploy("--plan")
    assert "check will" not in operator.read


def test_what_may_not_be_read_does_not_stop_a_deployment(hire: Hire) -> None:
    """Nor is it said to be wrong."""
    config = distribution(default=api(ResponseHeadersPolicyId="nobody knows"))
    operator = hire(config)
    assert operator.deploy("--yes") == 0
    assert "headers.answers" not in operator.read


def test_rotating_says_it_too(hire: Hire) -> None:
    config = distribution(default=api())
    operator = hire(config)
    operator.deploy("--yes")
    operator.account.cloudfront.config["Origins"]["Items"][0]["OriginPath"] = "/v1"
    operator.account.cloudfront.change()
    operator.rotate("--plan", environment=NEW_KEY)
    assert "check will fail headers.path: CloudFront puts /v1 in front" in operator.read


# The routes that are live, those that replace them, and what is said.
ROUTE_CHANGES = [
    (["/api/*"], ["/api/*"], []),
    (["/api/*"], ["/paid"], ["/api/* is no longer a paid route", "/paid becomes"]),
    (["/api/*", "/old"], ["/api/*"], ["/old is no longer a paid route"]),
    (
        ["/api/*"],
        ["/api/joke"],
        ["note: /api/* is no longer a paid route"],
    ),
    (
        ["/api/*"],
        ["/api", "/api/joke"],
        ["note: /api/ becomes free: /api/* is no longer a paid route"],
    ),
    (["/api/joke"], ["/api/*"], ["/api/* becomes a paid route"]),
    (["/api/joke", "/api/*"], ["/api/*"], []),
    (["/*"], ["/api/*"], ["/* is no longer a paid route"]),
    (["/api/*"], ["/*"], ["/* becomes a paid route"]),
]


def write_routes(operator: Operator, paths: list[str]) -> None:
    routes = "".join(ROUTE.replace("/api/*", each) for each in paths)
    operator.routes.write_text(f'allowed_origins = "*"\n{routes}')


@pytest.mark.parametrize(("before", "after", "said"), ROUTE_CHANGES)
@pytest.mark.parametrize("options", [(), ("--drop-signing",)])
def test_a_path_that_becomes_free_is_said_before_the_question(
    operator: Operator,
    before: list[str],
    after: list[str],
    said: list[str],
    options: tuple[str, ...],
) -> None:
    write_routes(operator, before)
    assert operator.deploy("--yes") == 0
    assert "note:" not in operator.read  # nothing was live that costs
    operator.said.clear()
    operator.answers = [False]
    write_routes(operator, after)
    operator.deploy(*options)
    assert_routes_said(operator, said)


@pytest.mark.parametrize(("before", "after", "said"), ROUTE_CHANGES)
def test_rolling_back_says_it_too(
    operator: Operator, before: list[str], after: list[str], said: list[str]
) -> None:
    write_routes(operator, after)
    operator.deploy("--yes")
    write_routes(operator, before)
    operator.deploy("--yes", environment=NEW_KEY)
    operator.said.clear()
    operator.answers = [False]
    assert operator.roll_back() == 2
    assert_routes_said(operator, said)


def assert_routes_said(operator: Operator, said: list[str]) -> None:
    asked = operator.said.index("Do this?") if "Do this?" in operator.said else None
    notes = [line for line in operator.said[:asked] if line.startswith("note: ")]
    notes = [line for line in notes if "paid route" in line or "free" in line]
    assert len(notes) == len(said)
    for part in said:
        assert any(part in note for note in notes)


def test_a_version_of_somebody_elses_making_may_gate_other_paths(
    operator: Operator,
) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    for address in operator.account.functions.bundles:
        operator.account.functions.bundles[address] = b"another zip"
    operator.said.clear()
    assert operator.roll_back("--plan") == 0
    assert "which paths become free, or paid for, cannot be told" in operator.read


@pytest.mark.parametrize(
    "failure", [OSError("no route to S3"), IncompleteRead(b"PK", 100)]
)
def test_a_bundle_that_cannot_be_read_does_not_stop_a_rollback(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)

    class Lost(dict[str, bytes]):
        def __getitem__(self, address: str) -> bytes:
            raise failure

    monkeypatch.setattr(operator.account.functions, "bundles", Lost())
    operator.said.clear()
    assert operator.roll_back("--yes") == 0
    assert "cannot be told: the bundle of version" in operator.read


def test_a_behaviour_that_still_runs_an_older_version_costs_today_as_well(
    hire: Hire,
) -> None:
    """Both versions are live: what either gates must not become free unsaid."""
    operator = hire(distribution(behaviour("api", "/api/*", **ALL), default=api()))
    write_routes(operator, ["/old"])
    operator.deploy("--yes")
    write_routes(operator, ["/api/*"])
    operator.deploy("--yes", environment=NEW_KEY)
    raw = operator.account.cloudfront.config["DefaultCacheBehavior"]
    for each in raw["LambdaFunctionAssociations"]["Items"]:
        each["LambdaFunctionARN"] = each["LambdaFunctionARN"][:-1] + "1"
    operator.account.cloudfront.change()
    third = ENVIRONMENT | {"NEXFLOW_API_KEY": "nf_live_THIRD"}
    operator.said.clear()
    operator.deploy("--plan", environment=third)
    assert "note: /old is no longer a paid route" in operator.said
    assert f"distribution {ID}" in operator.said


@pytest.mark.parametrize("command", ["deploy", "roll_back", "rotate"])
def test_a_stack_that_owns_the_distribution_is_named(
    operator: Operator, command: str
) -> None:
    assert operator.deploy("--yes") == 0
    assert operator.deploy("--yes", environment=NEW_KEY) == 0
    assert "CloudFormation" not in operator.read
    cloudfront = operator.account.cloudfront
    cloudfront.tags = {"team": "shop", "aws:cloudformation:stack-name": "paid-api"}
    getattr(operator, command)()
    (warning,) = [line for line in operator.said if line.startswith("warning: ")]
    assert warning.startswith(
        f"warning: {ID} belongs to CloudFormation's stack paid-api"
    )
    assert operator.said.index(warning) < len(operator.said) - 1


def test_tags_that_may_not_be_read_stop_nothing(operator: Operator) -> None:
    operator.account.before = denying("cloudfront", "ListTagsForResource")
    assert operator.deploy("--yes") == 0
    assert "note: could not find out whether a CloudFormation stack" in operator.read
