"""The pre-launch checklist, and what it forgot: every check, in the order of a walk
from the bundle to the client."""

from collections.abc import Sequence

from .checks import (
    bundle,
    caching,
    distribution,
    function,
    headers,
    logs,
    probes,
    routes,
    triggers,
)
from .finding import Check, Finding
from .subject import Subject

CHECKS = (
    *bundle.CHECKS,
    *function.CHECKS,
    *routes.CHECKS,
    *triggers.CHECKS,
    *caching.CHECKS,
    *headers.CHECKS,
    *distribution.CHECKS,
    *logs.CHECKS,
    *probes.CHECKS,
)


# Of the bundle, once there is one to look at, and of a distribution that is not written
# yet: its versions have no numbers, and it is not on its way.
_WHEN_WRITTEN = {"triggers.version", "distribution.deployed", "routes.baked"}
OF_THE_CONFIGURATION = tuple(
    check
    for group in (routes, triggers, caching, headers, distribution)
    for check in group.CHECKS
    if check.name not in _WHEN_WRITTEN
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Always one finding for each check, in this order."""
    return [Finding(check.name, check.line, check.examine(subject)) for check in checks]
