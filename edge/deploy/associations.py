"""A distribution's behaviours before and after: which functions run, which policies.

Pure: what is given is never changed; a new configuration is made.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from ..aws.behaviours import behaviours
from ..aws.error_responses import kept_for
from ..aws.items import items
from ..aws.lambda_arn import parse_arn
from ..aws.lambda_at_edge import EVENTS
from .steps import Change, Changes

# Stands for the number of a version that is not published yet.
NEXT = "NEXT"

Raw = dict[str, Any]


def live(config: Raw, name: str) -> frozenset[int]:
    """The versions of this function that the distribution runs."""
    return frozenset(
        int(arn.version)
        for behaviour in behaviours(config)
        for each in associations(behaviour.raw)
        if (arn := parse_arn(each["LambdaFunctionARN"])).name == name
        and arn.version
        and arn.version.isdigit()
    )


def conflicts(raw: Raw, name: str) -> Iterator[str]:
    """What would have to go for the gate to run here. CloudFront Functions run at
    viewer events, and AWS does not let Lambda@Edge share a behaviour with them there.
    """
    in_the_way = [
        each
        for each in associations(raw)
        if each["EventType"] in EVENTS and not is_of(each, name)
    ]
    for each in in_the_way + _functions(raw):
        yield f"{each['EventType']} runs {_label(each)}"


def place(raw: Raw, arn: str) -> None:
    """Both triggers, on a copy. What is in their way goes, the rest stays."""
    kept = [each for each in associations(raw) if each["EventType"] not in EVENTS]
    wanted = [
        {"LambdaFunctionARN": arn, "EventType": event, "IncludeBody": False}
        for event in EVENTS
    ]
    if _by_event(associations(raw)) != _by_event([*kept, *wanted]):
        items = [*kept, *wanted]
        raw["LambdaFunctionAssociations"] = {"Quantity": len(items), "Items": items}
    if _functions(raw):
        raw["FunctionAssociations"] = {"Quantity": 0}


def move(raw: Raw, name: str, arn: str) -> None:
    """Every association of this function to another version, on a copy."""
    for each in associations(raw):
        if is_of(each, name):
            each["LambdaFunctionARN"] = arn


def moved(config: Raw, name: str, arn: str) -> Raw:
    config = deepcopy(config)
    for behaviour in behaviours(config):
        move(behaviour.raw, name, arn)
    return config


def changes(before: Raw, after: Raw, names: dict[str, str]) -> tuple[Changes, ...]:
    """Read from the configurations themselves, so that no change goes unsaid."""
    pairs = zip(behaviours(before), behaviours(after), strict=True)
    found = [
        Changes(
            f"behaviour {old.path_pattern}",
            tuple(_differences(_facts(old.raw, names), _facts(new.raw, names))),
        )
        for old, new in pairs
    ]
    kept = _differences(_kept(before), _kept(after))
    found.append(Changes("errors of the origin, kept for", tuple(kept)))
    return tuple(each for each in found if each.changes)


def associations(raw: Raw) -> list[Raw]:
    return items(raw, "LambdaFunctionAssociations")


def is_of(association: Raw, name: str) -> bool:
    """By name: a distribution can only run functions of its own account."""
    return parse_arn(association["LambdaFunctionARN"]).name == name


def _differences(old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
    for what, was in old.items():
        if was != new[what]:
            yield Change(what, was, new[what])


def _kept(config: Raw) -> dict[str, str]:
    return {str(status): f"{kept} s" for status, kept in kept_for(config).items()}


def _facts(raw: Raw, names: dict[str, str]) -> dict[str, str]:
    events = ("viewer-request", "origin-request", "origin-response", "viewer-response")
    every = [*associations(raw), *_functions(raw)]
    facts = {
        event: ", ".join(_label(each) for each in every if each["EventType"] == event)
        or "none"
        for event in events
    }
    cache, request = raw.get("CachePolicyId"), raw.get("OriginRequestPolicyId")
    facts["cache policy"] = names.get(cache, str(cache)) if cache else "legacy settings"
    facts["origin request policy"] = (
        names.get(request, str(request)) if request else "none"
    )
    facts["viewer protocol"] = raw["ViewerProtocolPolicy"]
    return facts


def _label(association: Raw) -> str:
    if "FunctionARN" in association:
        return f"CloudFront Function {association['FunctionARN'].rpartition('/')[2]}"
    arn = parse_arn(association["LambdaFunctionARN"])
    name, version = arn.name, arn.version
    label = (
        f"the new version of {name}" if version == NEXT else f"{name} version {version}"
    )
    return f"{label} with the body" if association.get("IncludeBody") else label


def _functions(raw: Raw) -> list[Raw]:
    return items(raw, "FunctionAssociations")


def _by_event(listed: list[Raw]) -> dict[str, tuple[str, bool]]:
    return {
        each["EventType"]: (
            each["LambdaFunctionARN"],
            bool(each.get("IncludeBody")),
        )
        for each in listed
    }
