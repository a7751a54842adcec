"""Which policies a gated behaviour gets, and what the origin is sent by them."""

from typing import Any

import pytest

from edge.aws.forwarding import (
    MANAGED,
    NOTHING,
    of_cache_policy,
    of_legacy_settings,
    of_request_policy,
)
from edge.aws.managed_policies import (
    ALL_VIEWER,
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
)
from edge.runtime.intent import CONTRACT_HEADERS
from tests.edge.deploy.cloudfront_service import cache_policy, request_policy
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import behaviour, distribution, legacy
from tests.edge.deploy.operator import Operator

EXCEPT_HOST = ALL_VIEWER_EXCEPT_HOST_HEADER

# AWS's own policy that caches by the host: UseOriginCacheControlHeaders.
BY_HOST = "83da9c7e-98b4-4e11-a168-04f0df8e2c65"


def deployed(hire: Hire, raw: dict[str, Any], **policies: Any) -> tuple[Operator, Any]:
    operator = hire(distribution(default=raw))
    for id_, policy in policies.items():
        kind = "cache" if "MinTTL" in policy else "request"
        getattr(operator.account.cloudfront, f"{kind}_policies")[id_] = policy
    assert operator.deploy("--yes") == 0
    return operator, operator.account.cloudfront.config["DefaultCacheBehavior"]


@pytest.mark.parametrize(
    ("policy", "stays"),
    [
        (request_policy("mine", "allViewer"), True),
        (request_policy("mine", "allViewerAndWhitelistCloudFront", "X"), True),
        (request_policy("mine", "allExcept", "host"), True),
        (request_policy("mine", "whitelist", *CONTRACT_HEADERS), True),
        (request_policy("mine", "allExcept", "Signature"), False),
        (request_policy("mine", "whitelist", "X-Settlement-Intent-Id"), False),
        (request_policy("mine", "none"), False),
        (request_policy("mine", "allViewer", query="none"), False),
        (request_policy("mine", "allViewer", query="whitelist"), False),
    ],
)
def test_a_policy_stays_when_it_forwards_what_the_gate_adds(
    hire: Hire, policy: dict[str, Any], stays: bool
) -> None:
    """And the whole query, because the gate's signature covers that."""
    raw = behaviour("api", OriginRequestPolicyId="mine")
    operator, after = deployed(hire, raw, mine=policy)
    if stays:
        assert after["OriginRequestPolicyId"] == "mine"
        assert "origin request policy" not in operator.read
    else:
        assert after["OriginRequestPolicyId"] in (ALL_VIEWER, EXCEPT_HOST)
        assert "origin request policy  mine → Managed-AllViewer" in operator.read


@pytest.mark.parametrize("policy", [ALL_VIEWER, EXCEPT_HOST])
def test_a_managed_policy_that_forwards_all_stays(hire: Hire, policy: str) -> None:
    raw = behaviour("api", OriginRequestPolicyId=policy)
    _, after = deployed(hire, raw)
    assert after["OriginRequestPolicyId"] == policy


def test_without_a_policy_everything_but_the_host_is_forwarded(hire: Hire) -> None:
    _, after = deployed(hire, behaviour("api"))
    assert after["OriginRequestPolicyId"] == EXCEPT_HOST


def test_an_origin_that_chooses_the_site_by_host_still_can(hire: Hire) -> None:
    raw = behaviour("api", CachePolicyId=BY_HOST)
    policy = cache_policy("Managed-UseOriginCacheControlHeaders", "host", query="all")
    _, after = deployed(hire, raw, **{BY_HOST: policy})
    assert after["OriginRequestPolicyId"] == ALL_VIEWER


def test_a_policy_that_kept_the_host_from_the_cache_key_only_goes(hire: Hire) -> None:
    """It relied on the cache policy to forward the host, which is taken off."""
    raw = behaviour("api", CachePolicyId="byhost", OriginRequestPolicyId=EXCEPT_HOST)
    _, after = deployed(hire, raw, byhost=cache_policy("byhost", "Host"))
    assert after["OriginRequestPolicyId"] == ALL_VIEWER


@pytest.mark.parametrize(
    ("headers", "policy"),
    [
        ((), EXCEPT_HOST),
        (("Authorization",), EXCEPT_HOST),
        (("Host",), ALL_VIEWER),
        (("*",), ALL_VIEWER),
    ],
)
def test_settings_from_before_there_were_policies_go(
    hire: Hire, headers: tuple[str, ...], policy: str
) -> None:
    """AWS refuses them beside a cache policy."""
    operator = hire(distribution(legacy("api", "/api/*", *headers)))
    assert operator.deploy("--yes") == 0
    raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][0]
    assert raw["CachePolicyId"] == CACHING_DISABLED
    assert raw["OriginRequestPolicyId"] == policy
    assert not {"ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"} & set(raw)
    assert "cache policy           legacy settings → Managed-Caching" in operator.read


def test_a_policy_that_forwards_no_cookies_goes_when_the_cache_forwarded_them(
    hire: Hire,
) -> None:
    raw = behaviour("api", CachePolicyId="kept", OriginRequestPolicyId="sent")
    kept, sent = cache_policy("kept"), request_policy("sent", "allViewer")
    key = kept["ParametersInCacheKeyAndForwardedToOrigin"]
    key["CookiesConfig"] = {"CookieBehavior": "whitelist"}
    sent["CookiesConfig"] = {"CookieBehavior": "none"}
    _, after = deployed(hire, raw, kept=kept, sent=sent)
    assert after["OriginRequestPolicyId"] == ALL_VIEWER


def test_a_policy_that_caches_by_nothing_sends_nothing() -> None:
    """AWS leaves the parameters of such a policy away."""
    assert of_cache_policy({"Name": "mine", "MinTTL": 0}) == NOTHING
    assert of_legacy_settings(None) == NOTHING


def test_headers_that_the_origin_loses_are_noted(hire: Hire) -> None:
    raw = behaviour("api", OriginRequestPolicyId="mine")
    policy = request_policy("mine", "whitelist", "CloudFront-Viewer-Country", "X-Mine")
    operator, _ = deployed(hire, raw, mine=policy)
    notes = [line for line in operator.said if line.startswith("note:")]
    assert notes == ["note: *: the origin is no longer sent cloudfront-viewer-country"]


def test_a_free_behaviour_keeps_the_settings_from_before_there_were_policies(
    hire: Hire,
) -> None:
    api = (behaviour("api", "/api"), behaviour("api", "/api/*"))
    free = legacy("api", "/docs/*", "Host")
    operator = hire(distribution(*api, free))
    assert operator.deploy("--yes") == 0
    after = operator.account.cloudfront.config["CacheBehaviors"]["Items"][2]
    assert after["ForwardedValues"] == free["ForwardedValues"]


@pytest.mark.parametrize("id_", [ALL_VIEWER, EXCEPT_HOST])
def test_what_we_say_of_managed_policies_is_what_reading_them_says(id_: str) -> None:
    """As their pages in the developer guide describe them."""
    described = {
        ALL_VIEWER: request_policy("Managed-AllViewer", "allViewer"),
        EXCEPT_HOST: request_policy(
            "Managed-AllViewerExceptHostHeader", "allExcept", "host"
        ),
    }
    assert MANAGED[id_].name == described[id_]["Name"]
    assert MANAGED[id_].forwarded == of_request_policy(described[id_])
