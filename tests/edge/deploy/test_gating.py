"""Whatever a distribution looks like: what becomes of it, and what is said of that."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.aws.distribution import behaviours, gated, kept_for, sharing_origin
from edge.aws.forwarding import Forwarded, Policy
from edge.aws.managed_policies import (
    ALL_VIEWER,
    CACHING_DISABLED,
    CACHING_OPTIMIZED,
)
from edge.deploy.gating import associate
from edge.deploy.model import Distribution, Snapshot, Spec
from tests.edge.deploy.examples import (
    Config,
    behaviour,
    distribution,
    function_association,
    lambda_association,
    legacy,
    listed,
)

PATHS = ("/api/*", "/joke")
SPEC = Spec("x402-edge", "code", PATHS, replace=True)
POLICIES = {
    CACHING_OPTIMIZED: Policy("optimized", Forwarded()),
    "sent": Policy("sent", Forwarded(named=frozenset({"origin"}))),
}
OURS_TO_CHANGE = (
    "LambdaFunctionAssociations",
    "FunctionAssociations",
    "CachePolicyId",
    "OriginRequestPolicyId",
    "ForwardedValues",
    "MinTTL",
    "DefaultTTL",
    "MaxTTL",
    "ViewerProtocolPolicy",
)
EVENTS = ("viewer-request", "origin-request", "origin-response", "viewer-response")

patterns = st.sampled_from(["/api", "/api/*", "/joke", "/a*", "/docs/*", "*.png"])
origins = st.sampled_from(["api", "site"])
lambdas = st.lists(
    st.builds(
        lambda_association,
        st.sampled_from(EVENTS),
        st.sampled_from(["x402-edge", "other"]),
        st.integers(1, 3),
        IncludeBody=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda each: each["EventType"],
)
functions = st.lists(
    st.builds(function_association, st.sampled_from(EVENTS[::3]), st.just("f")),
    max_size=1,
)


@st.composite
def raws(draw: st.DrawFn, pattern: str | None) -> Config:
    origin = draw(origins)
    raw = legacy(origin, "/") if draw(st.booleans()) else behaviour(origin, "/")
    if "CachePolicyId" in raw:
        raw["CachePolicyId"] = draw(
            st.sampled_from([CACHING_OPTIMIZED, CACHING_DISABLED])
        )
        sent = draw(st.sampled_from([None, ALL_VIEWER, "sent"]))
        raw |= {} if sent is None else {"OriginRequestPolicyId": sent}
    raw["ViewerProtocolPolicy"] = draw(st.sampled_from(["allow-all", "https-only"]))
    raw["LambdaFunctionAssociations"] = listed(*draw(lambdas))
    raw["FunctionAssociations"] = listed(*draw(functions))
    if pattern is None:
        del raw["PathPattern"]
        return raw
    return raw | {"PathPattern": pattern}


@st.composite
def configs(draw: st.DrawFn) -> Config:
    chosen = draw(st.lists(patterns, max_size=4, unique=True))
    ordered = [draw(raws(pattern)) for pattern in chosen]
    return distribution(*ordered, default=draw(raws(None)))


def snapshot(config: Config) -> Snapshot:
    found = Distribution("E2EXAMPLE", "ETAG", True, config)
    return Snapshot(None, (), None, found, POLICIES)


def gate(config: Config) -> tuple[Config, dict[str, set[str]]]:
    step, _ = associate(snapshot(config), SPEC, 4)
    if step is None:
        return config, {}
    return step.config, {
        place.where: {change.what for change in place.changes} for place in step.changes
    }


@settings(max_examples=150, deadline=None)
@given(configs())
def test_afterwards_the_gate_stands_wherever_it_has_to(config: Config) -> None:
    before = deepcopy(config)
    after, _ = gate(config)
    assert config == before  # what is given is never changed
    paid = [each.path_pattern for each in gated(after, PATHS)]
    for each in sharing_origin(after, PATHS):
        items = each.raw["LambdaFunctionAssociations"]["Items"]
        runs = {item["EventType"]: item for item in items}
        assert len(runs) == len(items)
        for event in ("viewer-request", "origin-response"):
            arn = runs[event]["LambdaFunctionARN"]
            assert arn.endswith(":function:x402-edge:4")
            assert runs[event]["IncludeBody"] is False
        assert not each.raw["FunctionAssociations"].get("Items")
        if each.path_pattern in paid:
            assert each.raw["CachePolicyId"] == CACHING_DISABLED
            assert each.raw["OriginRequestPolicyId"] != "sent"
            assert each.raw["ViewerProtocolPolicy"] != "allow-all"
    assert not any(kept_for(after).values())
    assert gate(after) == (after, {})  # and nothing is left to do


@settings(max_examples=150, deadline=None)
@given(configs())
def test_every_change_is_said_and_nothing_else_changes(config: Config) -> None:
    after, said = gate(config)
    pairs = zip(behaviours(config), behaviours(after), strict=True)
    changed = {
        f"behaviour {old.path_pattern}": set(differences(old.raw, new.raw))
        for old, new in pairs
        if old.raw != new.raw
    }
    errors = set(map(str, kept_for(config)))
    assert said.pop("errors of the origin, kept for", None) == errors
    assert said == changed
    assert without_what_is_ours(after) == without_what_is_ours(config)


def differences(old: Config, new: Config) -> Iterator[str]:
    for event in EVENTS:
        if at(event, old) != at(event, new):
            yield event
    if old.get("CachePolicyId") != new.get("CachePolicyId"):
        yield "cache policy"
    if old.get("OriginRequestPolicyId") != new.get("OriginRequestPolicyId"):
        yield "origin request policy"
    if old["ViewerProtocolPolicy"] != new["ViewerProtocolPolicy"]:
        yield "viewer protocol"


def at(event: str, raw: Config) -> list[Config]:
    of_lambda, of_cloudfront = "LambdaFunctionAssociations", "FunctionAssociations"
    every = raw[of_lambda].get("Items", []) + raw[of_cloudfront].get("Items", [])
    return [each for each in every if each["EventType"] == event]


def without_what_is_ours(config: Config) -> Any:
    config = deepcopy(config)
    config.pop("CustomErrorResponses")
    for each in behaviours(config):
        for name in OURS_TO_CHANGE:
            each.raw.pop(name, None)
    return config
