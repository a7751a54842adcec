"""The pre-launch checklist, and what it forgot: every check, in the order of a walk
from the bundle to the client."""

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
from .finding import Finding
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


def examine(subject: Subject) -> list[Finding]:
    """Always one finding for each check, in this order."""
    return [Finding(check.name, check.line, check.examine(subject)) for check in CHECKS]
