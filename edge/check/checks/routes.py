"""Routes and behaviours must match."""

from ...aws.distribution import gated
from ...aws.function import parse_arn
from ...aws.lambda_at_edge import EVENTS
from ..facts import Unread
from ..facts.behaviour import BehaviourFacts
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned
from ..subject import Subject


def baked(subject: Subject) -> Outcome:
    if subject.bundle is None or subject.written is None:
        return NotChecked("give both --bundle and --routes")
    if set(subject.bundle.settings.routes) != set(subject.written):
        return Failed(
            "The routes in the bundle differ from the routes file.",
            "Build and deploy again.",
        )
    return Passed(f"{len(subject.written)} in the bundle, as in the file")


def served(subject: Subject) -> Outcome:
    """A route that two servers serve is half a mistake: one of them is not the API."""
    distribution = subject.snapshot.distribution
    domains = {origin.origin_id: origin.domain for origin in distribution.origins}
    for route in subject.routes:
        found = gated(distribution.config, [route.path])
        servers = {
            domains.get(behaviour.target_origin_id, behaviour.target_origin_id)
            for behaviour in found
        }
        if len(servers) > 1:
            patterns = ", ".join(behaviour.path_pattern for behaviour in found)
            return Warned(
                f"{route.path} is served by several behaviours ({patterns}), and they"
                f" lead to {', '.join(sorted(servers))}.",
                "Add a behaviour for the rest of the route. /api/* gates /api as well,"
                " which the path pattern /api/* does not match.",
            )
    return Passed(", ".join(route.path for route in subject.routes))


def unlisted(subject: Subject) -> Outcome:
    """Other functions have their own reasons to run on a free path."""
    gates = {name for each in subject.gated for name in _running(each)}
    function = subject.snapshot.function
    if not isinstance(function, Unread):
        gates.add(function.arn.name)
    idle = [
        behaviour.pattern
        for behaviour in subject.snapshot.behaviours
        if behaviour not in subject.reaching
        and not gates.isdisjoint(_running(behaviour))
    ]
    if idle:
        return Warned(
            f"{', '.join(idle)} runs the gate, and no route leads there: it is free.",
            "Add the route that is missing and build again, or remove the triggers.",
        )
    return Passed("each has one")


def _running(behaviour: BehaviourFacts) -> set[str]:
    """The names of the functions that run where the gate would."""
    return {parse_arn(arn).name for event in EVENTS for arn in behaviour.arns(event)}


CHECKS = (
    Check("routes.baked", "The bundle has the routes of the file", baked),
    Check("routes.served", "Routes match your actual protected paths", served),
    Check("routes.unlisted", "No paid behaviour lacks a route", unlisted),
)
