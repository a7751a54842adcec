"""The distribution as a whole."""

from ...runtime.routes import match
from ..evidence import Evidence
from ..facts.unread import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned


def enabled(evidence: Evidence) -> Outcome:
    if not evidence.snapshot.distribution.is_enabled:
        return Failed("The distribution is disabled.", "Enable it.")
    return Passed("enabled")


def deployed(evidence: Evidence) -> Outcome:
    status = evidence.snapshot.distribution.status
    if status != "Deployed":
        return Failed(
            f"The distribution is {status}: some edge locations still run what was"
            " there before.",
            "Wait until it is Deployed, and check again. Revoke no key before.",
        )
    return Passed("Deployed")


def staging(evidence: Evidence) -> Outcome:
    distribution = evidence.snapshot.distribution
    if distribution.is_staging:
        return Warned(
            "This is a staging distribution: it gets a share of another's traffic.",
            "Check the primary distribution.",
        )
    if isinstance(distribution.canary, Unread):
        return NotChecked(distribution.canary.why)
    if distribution.canary:
        return Warned(
            f"Some of the traffic goes to {distribution.canary}, which has triggers"
            " and policies of its own.",
            "Check that distribution as well.",
        )
    return Passed("no staging, no continuous deployment")


def root_object(evidence: Evidence) -> Outcome:
    """CloudFront replaces the path after viewer-request: it verifies one and
    forwards another."""
    name = evidence.snapshot.distribution.root_object
    if name and match("/", evidence.routes):
        return Failed(
            f"A route gates /, and the default root object makes /{name} of it after"
            " the gate has signed: the origin refuses it.",
            "Remove the default root object.",
        )
    return Passed("no default root object is in the way")


CHECKS = (
    Check("distribution.enabled", "The distribution is enabled", enabled),
    Check("distribution.deployed", "The distribution is deployed", deployed),
    Check("distribution.staging", "All traffic comes here", staging),
    Check("distribution.root-object", "No gated path is rewritten", root_object),
)
