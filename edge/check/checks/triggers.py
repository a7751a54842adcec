"""Both triggers, on every behaviour that needs them, of one published version."""

from collections.abc import Iterable

from ...aws.function import parse_arn
from ...aws.lambda_at_edge import EVENTS, VIEWER_EVENTS
from ...errors import COMMAND
from ..facts.behaviour import BehaviourFacts
from ..finding import Check, Failed, Outcome, Passed, Warned
from ..subject import Subject


def attached(subject: Subject) -> Outcome:
    missing = [
        f"{behaviour.pattern} serves {subject.example(behaviour)} without the"
        f" {event} trigger"
        for behaviour in subject.gated
        for event in EVENTS
        if not behaviour.arns(event)
    ]
    if missing:
        return Failed(
            f"{_listed(missing)}.",
            f"Run {COMMAND} deploy: it attaches both to every such behaviour."
            " Without viewer-request nobody pays; without origin-response nobody"
            " is charged.",
        )
    return Passed(_patterns(subject.gated))


def around(subject: Subject) -> Outcome:
    """Free paths of the paid origin: a client's own intent would reach it there."""
    free = [each for each in subject.reaching if each not in subject.gated]
    missing = [
        f"{behaviour.pattern} has no {event} trigger"
        for behaviour in free
        for event in EVENTS
        if not behaviour.arns(event)
    ]
    if missing:
        return Failed(
            f"{_listed(missing)}, and leads to the paid origin. Through it a client"
            " can ask for a paid path in another spelling, with an intent it made up.",
            f"Run {COMMAND} deploy, or send that behaviour to another origin.",
        )
    return Passed(_patterns(free) or "no other behaviour leads there")


def version(subject: Subject) -> Outcome:
    arns = sorted(
        {
            arn
            for behaviour in subject.reaching
            for event in EVENTS
            for arn in behaviour.arns(event)
        }
    )
    for arn in arns:
        found = parse_arn(arn).version
        if found is None or not found.isdigit():
            return Failed(
                f"{arn} is not a numbered version.",
                "Publish a version and associate that: neither $LATEST nor an alias"
                " runs at the edge.",
            )
    if len(arns) > 1:
        return Failed(
            f"Several versions run: {_listed(arns)}. One may not settle the requests"
            " that another has signed.",
            f"Associate one version with all triggers: {COMMAND} deploy.",
        )
    return Passed(", ".join(arns) or "none is associated")


def body(subject: Subject) -> Outcome:
    found = [
        behaviour.pattern
        for behaviour in subject.reaching
        for trigger in behaviour.triggers
        if trigger.event in EVENTS and trigger.includes_body
    ]
    if found:
        return Warned(
            f"The gate gets the request's body on {_listed(found)}. It never reads the"
            " body, and CloudFront truncates it at 40 KB.",
            "Switch IncludeBody off.",
        )
    return Passed("IncludeBody is off")


def conflicts(subject: Subject) -> Outcome:
    found = [
        f"{behaviour.pattern} ({event})"
        for behaviour in subject.reaching
        for event in sorted(behaviour.cloudfront_functions & VIEWER_EVENTS)
    ]
    if found:
        return Failed(
            f"CloudFront Functions run on viewer events of {_listed(found)}."
            " AWS does not let them share a behaviour with the gate.",
            "Move their work to an origin-request function, or remove them.",
        )
    return Passed("none runs on viewer events")


def others(subject: Subject) -> Outcome:
    found = [
        f"{behaviour.pattern} ({trigger.event})"
        for behaviour in subject.reaching
        for trigger in behaviour.triggers
        if trigger.event not in EVENTS
    ]
    if found:
        return Warned(
            f"Another Lambda@Edge function runs on {_listed(found)}.",
            "Make sure that it changes neither path, query nor the headers of the"
            " gate: the signature covers them.",
        )
    return Passed("none runs there")


def _patterns(behaviours: Iterable[BehaviourFacts]) -> str:
    return ", ".join(behaviour.pattern for behaviour in behaviours)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


CHECKS = (
    Check(
        "triggers.attached",
        "Both viewer-request and origin-response triggers are attached",
        attached,
    ),
    Check(
        "triggers.around",
        "Both triggers are on every behaviour that reaches the paid origin",
        around,
    ),
    Check("triggers.version", "One numbered version runs everywhere", version),
    Check("triggers.body", "The gate does not get the body", body),
    Check("triggers.conflicts", "No CloudFront Function is in the way", conflicts),
    Check("triggers.others", "No other Lambda@Edge function interferes", others),
)
