"""cfn-lint rules for the distribution: what runs where, and what is cached."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_kit: Any = import_module("cfnlint.helpers").import_filename(
    "_rule", str(Path(__file__).parent)
)

EVENTS = frozenset(_kit.known("lambda_at_edge").EVENTS)
VIEWER_EVENTS: frozenset[str] = _kit.known("lambda_at_edge").VIEWER_EVENTS
CACHING_DISABLED: str = _kit.known("managed_policies").CACHING_DISABLED
FORWARDING: frozenset[str] = _kit.known("managed_policies").FORWARDS_EVERY_HEADER
OF_THE_CONTRACT: frozenset[int] = _kit.known("statuses").OF_THE_CONTRACT

VERSION_ARN = re.compile(r"arn:aws[a-z-]*:lambda:us-east-1:\d{12}:function:[^:]+:\d+")

Properties = dict[str, Any]
Behaviours = Iterator[tuple[str, Properties]]


def versions(template: Any, properties: Properties) -> Iterator[str]:
    published = {name for name, _ in template.all("AWS::Lambda::Version")}
    for name, behaviour in _behaviours(properties):
        for each in behaviour.get("LambdaFunctionAssociations", []):
            arn = each["LambdaFunctionARN"]
            is_version = (
                VERSION_ARN.fullmatch(arn) is not None
                if isinstance(arn, str)
                else arn.get("Ref") in published or template.parameter(arn) is not None
            )
            if not is_version:
                yield f"{name} runs no numbered version: !Ref an AWS::Lambda::Version"


def triggers(_: Any, properties: Properties) -> Iterator[str]:
    behaviours = list(_behaviours(properties))
    gated = {b["TargetOriginId"] for _, b in behaviours if _events(b) & EVENTS}
    for name, behaviour in behaviours:
        missing = sorted(EVENTS - _events(behaviour))
        if behaviour["TargetOriginId"] in gated and missing:
            yield f"{name} leads to a gated origin: add {' and '.join(missing)}"


def caching(_: Any, properties: Properties) -> Iterator[str]:
    for name, behaviour in _paid(properties):
        if behaviour.get("CachePolicyId") != CACHING_DISABLED:
            yield f"{name}: set CachePolicyId to CachingDisabled ({CACHING_DISABLED})"


def forwarding(_: Any, properties: Properties) -> Iterator[str]:
    for name, behaviour in _paid(properties):
        policy = behaviour.get("OriginRequestPolicyId")
        # A policy of the template's own, or of a parameter, is not judged here.
        if isinstance(policy, str | None) and policy not in FORWARDING:
            yield (
                f"{name}: set OriginRequestPolicyId to one that forwards every header,"
                " or nothing is ever settled"
            )


def encryption(_: Any, properties: Properties) -> Iterator[str]:
    for name, behaviour in _paid(properties):
        if behaviour.get("ViewerProtocolPolicy") == "allow-all":
            yield f"{name}: set ViewerProtocolPolicy to https-only"
    for origin in properties["DistributionConfig"].get("Origins", []):
        custom = origin.get("CustomOriginConfig", {})
        if custom.get("OriginProtocolPolicy", "https-only") != "https-only":
            yield f"{origin['Id']}: set OriginProtocolPolicy to https-only"


def errors(_: Any, properties: Properties) -> Iterator[str]:
    for error in properties["DistributionConfig"].get("CustomErrorResponses", []):
        status = error["ErrorCode"]
        if status in OF_THE_CONTRACT and "ResponseCode" in error:
            yield f"Remove the page of {status}: clients act on the status"


def conflicts(_: Any, properties: Properties) -> Iterator[str]:
    for name, behaviour in _behaviours(properties):
        functions = behaviour.get("FunctionAssociations", [])
        viewer = VIEWER_EVENTS & {each["EventType"] for each in functions}
        if viewer and _events(behaviour) & EVENTS:
            yield f"{name}: remove the CloudFront Function, or move it to the origin"


def grpc(_: Any, properties: Properties) -> Iterator[str]:
    for name, behaviour in _behaviours(properties):
        enabled = behaviour.get("GrpcConfig", {}).get("Enabled", False)
        if _events(behaviour) & EVENTS and enabled is not False:
            yield f"{name}: remove GrpcConfig: gRPC requests could pass the gate unpaid"


def _behaviours(properties: Properties) -> Behaviours:
    config = properties["DistributionConfig"]
    for behaviour in config.get("CacheBehaviors", []):
        yield str(behaviour.get("PathPattern")), behaviour
    yield "DefaultCacheBehavior", config["DefaultCacheBehavior"]


def _paid(properties: Properties) -> Behaviours:
    """Those that run the gate, but for one that caches and forwards nothing: there a
    paid request is refused, because it arrives without an intent."""
    for name, behaviour in _behaviours(properties):
        is_free = name != "DefaultCacheBehavior" and (
            "OriginRequestPolicyId" not in behaviour
            and behaviour.get("CachePolicyId") != CACHING_DISABLED
        )
        if _events(behaviour) & EVENTS and not is_free:
            yield name, behaviour


def _events(behaviour: Properties) -> frozenset[str]:
    found = behaviour.get("LambdaFunctionAssociations", [])
    return frozenset(each["EventType"] for each in found)


_KIND = "AWS::CloudFront::Distribution"

Versions = _kit.rule("E9511", "Only numbered versions run at the edge", _KIND, versions)
Triggers = _kit.rule(
    "E9512", "Both triggers are on every behaviour of a gated origin", _KIND, triggers
)
Caching = _kit.rule("E9513", "What is paid for is not cached", _KIND, caching)
Forwarding = _kit.rule(
    "E9514", "The origin is sent the gate's headers", _KIND, forwarding
)
Encryption = _kit.rule(
    "E9515", "Proofs and intents travel encrypted", _KIND, encryption
)
Errors = _kit.rule("E9516", "Statuses clients act on are not replaced", _KIND, errors)
Grpc = _kit.rule("E9518", "Nobody comes past the gate with gRPC", _KIND, grpc)
Conflicts = _kit.rule(
    "E9517", "CloudFront Functions are not where the gate is", _KIND, conflicts
)
