"""Everything that AWS was asked, as plain values.

Live or from a file, the answers are the same and are read by the same code.
"""

from dataclasses import dataclass

from ...aws.distribution import behaviours
from ...aws.function import Function
from .behaviour import BehaviourFacts, parse_behaviour
from .distribution import Distribution, parse_distribution
from .function import (
    Published,
    Role,
    parse_function,
    parse_log_permission,
    parse_published,
    parse_role,
)
from .logs import RegionLogs, parse_region
from .unread import Answer, Unread


@dataclass(frozen=True, slots=True)
class Snapshot:
    taken_at: str
    distribution: Distribution
    behaviours: tuple[BehaviourFacts, ...]
    """In the order in which CloudFront tries them."""
    function: Function | Unread
    published: tuple[Published, ...] | Unread
    role: Role | Unread
    may_not_log: frozenset[str] | Unread
    regions: dict[str, RegionLogs | Unread]


def parse(answers: Answer) -> Snapshot:
    distribution = parse_distribution(
        answers["distribution"], answers.get("continuousDeploymentPolicy")
    )
    return Snapshot(
        taken_at=answers["takenAt"],
        distribution=distribution,
        behaviours=tuple(
            parse_behaviour(each, answers["policies"])
            for each in behaviours(distribution.config)
        ),
        function=parse_function(answers.get("function")),
        published=parse_published(answers.get("versions")),
        role=parse_role(answers.get("role")),
        may_not_log=parse_log_permission(answers.get("logPermission")),
        regions={
            region: parse_region(region, answer)
            for region, answer in answers["regions"].items()
        },
    )
