"""The pre-launch checklist, and what it forgot: every check, in the order of a walk
from the bundle to the client."""

from .checks import (
    alarms,
    bundle,
    caching,
    distribution,
    function,
    headers,
    logs,
    origin,
    probes,
    rotation,
    routes,
    triggers,
    viewer,
)
from .evidence import Evidence
from .finding import Finding

CHECKS = (
    *bundle.CHECKS,
    *rotation.CHECKS,
    *function.CHECKS,
    *routes.CHECKS,
    *triggers.CHECKS,
    *caching.CHECKS,
    *headers.CHECKS,
    *viewer.CHECKS,
    *origin.CHECKS,
    *distribution.CHECKS,
    *logs.CHECKS,
    *alarms.CHECKS,
    *probes.CHECKS,
)


def examine(evidence: Evidence) -> list[Finding]:
    """Always one finding for each check, in this order."""
    return [
        Finding(check.name, check.line, check.examine(evidence)) for check in CHECKS
    ]
