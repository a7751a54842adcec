"""What deploy leaves behind, check has nothing against.

The account is read by the check's own collector, through boto3, after a deployment.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.aws.function import parse_function
from edge.aws.lambda_at_edge import HANDLER
from edge.build.bundle import Bundle, opened
from edge.check.account import collect
from edge.check.checklist import examine
from edge.check.finding import Failed, Outcome, Warned
from edge.check.probe import NotAsked, Probe
from edge.check.snapshot import load, parse, save
from edge.check.subject import gather
from edge.deploy.gating import associate
from edge.deploy.model import Distribution, Snapshot, Spec
from tests.edge.check import from_template, good
from tests.edge.deploy.cloudfront_service import ID, cache_policy, request_policy
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    Config,
    behaviour,
    distribution,
    function_association,
    lambda_association,
    legacy,
    listed,
)
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.wire import WiredSession

# What no deployment decides: whether anybody has asked for a paid path yet.
NOT_OF_DEPLOY = {"logs.groups": "Failed"}


def checked(operator: Operator, session: WiredSession, file: Path) -> dict[str, str]:
    """All that is wrong, by name, from a saved configuration."""
    session.answer = operator.account.answer
    answers = collect(session, ID, None, [], datetime(2026, 2, 7, tzinfo=UTC))
    save(answers, file)
    snapshot = parse(load(file))
    bundle = deployed(operator)
    probes = {probe: NotAsked("nobody is there") for probe in Probe}
    routes = bundle.settings.routes
    findings = examine(gather(snapshot, bundle, routes, probes))
    return dict(wrong((each.name, each.outcome) for each in findings))


def deployed(operator: Operator) -> Bundle:
    function = operator.account.functions.published[-1]
    bundles = operator.account.functions.bundles
    return opened(bundles[f"https://s3.invalid/{function['CodeSha256']}"])


def wrong(found: Iterable[tuple[str, Outcome]]) -> Iterable[tuple[str, str]]:
    for name, outcome in found:
        if isinstance(outcome, Failed | Warned):
            yield name, type(outcome).__name__


METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
PLAIN = {"ViewerProtocolPolicy": "allow-all"}
ALL = {"AllowedMethods": {"Quantity": 7, "Items": METHODS}}


def api(pattern: str | None = None, **more: Any) -> Config:
    return behaviour("api", pattern, **ALL, **more)


SENSIBLE = {
    "two behaviours": distribution(api("/api"), api("/api/*")),
    "one origin for all": distribution(default=api()),
    "over http as well": distribution(api("/api", **PLAIN), api("/api/*", **PLAIN)),
    "legacy settings": distribution(
        legacy("api", "/api") | ALL, legacy("api", "/api/*", "Host") | ALL
    ),
    "policies of its own": distribution(
        default=api(CachePolicyId="cached", OriginRequestPolicyId="sent")
    ),
    "a free behaviour": distribution(api("/api"), api("/api/*"), api("/docs/*")),
    "errors kept": distribution(default=api())
    | {"CustomErrorResponses": listed({"ErrorCode": 404, "ErrorCachingMinTTL": 300})},
    "functions in the way": distribution(
        default=api(
            LambdaFunctionAssociations=listed(
                lambda_association("origin-response", "other", 1)
            ),
            FunctionAssociations=listed(function_association("viewer-request", "f")),
        )
    ),
    "the body": distribution(
        default=api(
            LambdaFunctionAssociations=listed(
                lambda_association("viewer-request", "other", 1, IncludeBody=True)
            )
        )
    ),
}


@pytest.mark.parametrize("config", SENSIBLE.values(), ids=SENSIBLE.keys())
def test_what_was_deployed_passes_the_check(
    hire: Hire, session: WiredSession, tmp_path: Path, config: Config
) -> None:
    operator = hire(config)
    cloudfront = operator.account.cloudfront
    cloudfront.cache_policies["cached"] = cache_policy("cached", "Origin", query="all")
    cloudfront.request_policies["sent"] = request_policy("sent", "none", query="none")
    assert operator.deploy("--yes", "--replace") == 0
    assert checked(operator, session, tmp_path / "saved.json") == NOT_OF_DEPLOY


def test_what_deploy_refuses_the_check_would_name(
    hire: Hire, session: WiredSession, tmp_path: Path
) -> None:
    """And only that: one is as strict as the other."""
    operator = hire(distribution(default=api()))
    assert operator.deploy("--yes") == 0
    raw = operator.account.cloudfront.config["DefaultCacheBehavior"]
    raw["GrpcConfig"] = {"Enabled": True}
    assert operator.deploy("--yes") == 2
    found = checked(operator, session, tmp_path / "saved.json")
    assert found == NOT_OF_DEPLOY | {"viewer.grpc": "Failed"}
    raw["GrpcConfig"] = {"Enabled": False}
    assert operator.deploy("--yes") == 0
    assert checked(operator, session, tmp_path / "saved.json") == NOT_OF_DEPLOY


@pytest.mark.parametrize(
    "parameters", [{}, {"CachedPathPattern": "/static/*"}, {"HostHeader": "viewer"}]
)
def test_deploy_has_nothing_to_add_to_what_the_template_deploys(
    parameters: dict[str, str],
) -> None:
    found = from_template.resources(from_template.TEMPLATE, **parameters)
    config = from_template.distribution(found)["DistributionConfig"]
    function = parse_function(
        {
            "FunctionArn": good.FUNCTION,
            "CodeSha256": good.DIGEST,
            "Runtime": "python3.14",
            "Handler": HANDLER,
            "Role": "role",
            "Timeout": 5,
            "MemorySize": 128,
            "Architectures": ["x86_64"],
        }
    )
    snapshot = Snapshot(
        function,
        (),
        None,
        Distribution("E2EXAMPLE", "ETAG", True, config),
        {},
    )
    paths = tuple(route.path for route in good.ROUTES)
    spec = Spec("x402-edge", good.DIGEST, paths)
    assert associate(snapshot, spec, 7) == (None, ())
