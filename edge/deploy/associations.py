"""A distribution's behaviours before and after: which functions run, which policies."""

from collections.abc import Collection, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from ..aws.distribution import Trigger, behaviours, items, kept_for, triggers
from ..aws.function import parse_arn
from ..aws.lambda_at_edge import EVENTS
from .model import Change, Changes

# Stands for the number of a version that is not published yet.
NEXT = "NEXT"

EVERY_EVENT = ("viewer-request", "origin-request", "origin-response", "viewer-response")

Raw = dict[str, Any]


class Other(NamedTuple):
    """A version of a function that one of the account's distributions runs."""

    distribution: str
    function: str
    version: int


def live(config: Raw, name: str) -> frozenset[int]:
    """The versions of this function that the distribution runs."""
    return frozenset(version for each, version in running(config) if each == name)


def running(config: Raw, events: Collection[str] = EVERY_EVENT) -> set[tuple[str, int]]:
    """The functions that a distribution runs on one of these events, with their
    versions."""
    return {
        (arn.name, int(arn.version))
        for behaviour in behaviours(config)
        for trigger in triggers(behaviour.raw)
        if trigger.event in events
        and (arn := parse_arn(trigger.arn)).version
        and arn.version.isdigit()
    }


def viewer_requests(raw: Raw) -> list[str]:
    """The names of the Lambda functions that a behaviour runs first."""
    return [
        parse_arn(trigger.arn).name
        for trigger in triggers(raw)
        if trigger.event == "viewer-request"
    ]


def conflicts(raw: Raw, name: str) -> Iterator[str]:
    """What would have to go for the gate to run here. CloudFront Functions run at
    viewer events, and AWS does not let Lambda@Edge share a behaviour with them there.
    """
    for trigger in triggers(raw):
        if trigger.event in EVENTS and not _is_of(trigger.arn, name):
            yield f"{trigger.event} runs {_lambda_label(trigger)}"
    for function in _cloudfront_functions(raw):
        yield f"{function['EventType']} runs {_function_label(function)}"


def place(raw: Raw, arn: str) -> None:
    """Both triggers, on a copy. Functions in their way go, the rest stays."""
    present = items(raw, "LambdaFunctionAssociations")
    kept = [each for each in present if each["EventType"] not in EVENTS]
    ours = [
        {"LambdaFunctionARN": arn, "EventType": event, "IncludeBody": False}
        for event in EVENTS
    ]
    every = [*kept, *ours]
    after = {"LambdaFunctionAssociations": {"Quantity": len(every), "Items": every}}
    if set(triggers(raw)) != set(triggers(after)):
        raw |= after
    if _cloudfront_functions(raw):
        raw["FunctionAssociations"] = {"Quantity": 0}


def move(raw: Raw, name: str, arn: str) -> None:
    """Every association of this function to another version, on a copy."""
    for each in items(raw, "LambdaFunctionAssociations"):
        if _is_of(each["LambdaFunctionARN"], name):
            each["LambdaFunctionARN"] = arn


def moved(config: Raw, name: str, arn: str) -> Raw:
    config = deepcopy(config)
    for behaviour in behaviours(config):
        move(behaviour.raw, name, arn)
    return config


def changes(before: Raw, after: Raw, names: dict[str, str]) -> tuple[Changes, ...]:
    """Read from the configurations themselves, so that no change goes unsaid.
    `names` are those of the policies, by id."""
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


def _differences(old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
    for what, was in old.items():
        if was != new[what]:
            yield Change(what, was, new[what])


def _kept(config: Raw) -> dict[str, str]:
    return {str(status): f"{kept} s" for status, kept in kept_for(config).items()}


def _facts(raw: Raw, names: dict[str, str]) -> dict[str, str]:
    running = [
        *((each.event, _lambda_label(each)) for each in triggers(raw)),
        *(
            (each["EventType"], _function_label(each))
            for each in _cloudfront_functions(raw)
        ),
    ]
    facts = {
        event: ", ".join(label for when, label in running if when == event) or "none"
        for event in EVERY_EVENT
    }
    cache, request = raw.get("CachePolicyId"), raw.get("OriginRequestPolicyId")
    facts["cache policy"] = names.get(cache, str(cache)) if cache else "legacy settings"
    facts["origin request policy"] = (
        names.get(request, str(request)) if request else "none"
    )
    facts["viewer protocol"] = raw["ViewerProtocolPolicy"]
    return facts


def _lambda_label(trigger: Trigger) -> str:
    arn = parse_arn(trigger.arn)
    name, version = arn.name, arn.version
    label = (
        f"the new version of {name}" if version == NEXT else f"{name} version {version}"
    )
    return f"{label} with the body" if trigger.includes_body else label


def _function_label(association: Raw) -> str:
    return f"CloudFront Function {association['FunctionARN'].rpartition('/')[2]}"


def _cloudfront_functions(raw: Raw) -> list[Raw]:
    return items(raw, "FunctionAssociations")


def _is_of(arn: str, name: str) -> bool:
    """By name: a distribution can only run functions of its own account."""
    return parse_arn(arn).name == name
