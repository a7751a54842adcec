"""A configuration: everything that AWS said at one moment, live or from a file.

A file is for where there are no credentials, or to check again later. The key and the
code are never in it; see redaction.py for what else is not.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..aws.distribution import behaviours
from ..aws.function import Function
from ..build.zip import write_whole
from ..errors import Refused
from .facts import Raw, Unread
from .facts.behaviour import BehaviourFacts, parse_behaviour
from .facts.distribution import Distribution, parse_distribution
from .facts.function import (
    Published,
    Role,
    parse_function,
    parse_log_permission,
    parse_published,
    parse_role,
)
from .facts.logs import RegionLogs, parse_region

# Of the configuration, as it is saved.
SCHEMA = 1

# What a value that is missing, or of another kind than AWS's, leads to.
_DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


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


def parse(configuration: Raw) -> Snapshot:
    """Raises Refused."""
    with refusing_damage():
        return _snapshot(configuration)


def save(configuration: Raw, file: Path) -> None:
    """Raises Refused."""
    content = json.dumps(configuration, indent=1, sort_keys=True, default=str)
    try:
        write_whole(f"{content}\n".encode(), file)
    except OSError as failure:
        raise Refused(
            f"{file} cannot be written: {failure.strerror}. Name another with --save."
        ) from failure


def load(file: Path) -> Raw:
    """Raises Refused."""
    try:
        configuration = json.loads(file.read_text(encoding="utf-8"))
    except OSError as failure:
        raise Refused(
            f"{file} cannot be read: {failure.strerror}. Write one with --save."
        ) from failure
    except (ValueError, RecursionError) as damaged:
        raise Refused(f"{file} is not JSON. Write it again with --save.") from damaged
    if not isinstance(configuration, dict) or configuration.get("schema") != SCHEMA:
        raise Refused(
            f"{file} was not written by --save of this version. Write it again."
        )
    return configuration


@contextmanager
def refusing_damage(from_file: bool = True) -> Iterator[None]:
    """People edit files. AWS's own answers are not damaged: there it is a bug of ours,
    and must show."""
    try:
        yield
    except _DAMAGED as damaged:
        if not from_file:
            raise
        raise Refused(
            f"the configuration lacks something ({type(damaged).__name__}: {damaged})."
            " Take it again with --save."
        ) from damaged


def _snapshot(configuration: Raw) -> Snapshot:
    distribution = parse_distribution(
        configuration["distribution"], configuration.get("continuousDeploymentPolicy")
    )
    return Snapshot(
        taken_at=configuration["takenAt"],
        distribution=distribution,
        behaviours=tuple(
            parse_behaviour(each, configuration["policies"])
            for each in behaviours(distribution.config)
        ),
        function=parse_function(configuration.get("function")),
        published=parse_published(configuration.get("versions")),
        role=parse_role(configuration.get("role")),
        may_not_log=parse_log_permission(configuration.get("logPermission")),
        regions={
            region: parse_region(region, raw)
            for region, raw in configuration["regions"].items()
        },
    )
