"""Nothing paid for comes from a cache, and no error does for long."""

from ...aws.managed_policies import CACHING_DISABLED
from ..evidence import Evidence
from ..facts.unread import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned

# AWS, "How CloudFront processes HTTP 4xx and 5xx status codes from your origin":
# these are kept whatever the origin says. The default is ten seconds.
_ALWAYS_KEPT = frozenset({404, 414, 500, 501, 502, 503, 504})

# What the two halves answer with. A client acts on the status and on the body.
_OF_THE_CONTRACT = frozenset({400, 401, 402, 409, 422, 500, 503})


def policy(evidence: Evidence) -> Outcome:
    for behaviour in evidence.gated:
        found = behaviour.caching
        if isinstance(found, Unread):
            return NotChecked(f"{behaviour.pattern}: {found.why}")
        if found.maximum > 0:
            return Failed(
                f"{behaviour.pattern} serves {evidence.example(behaviour)} and keeps"
                f" responses up to {found.maximum} s. What one client paid for is"
                " handed to others, and a response from the cache is never settled.",
                f"Set the managed policy CachingDisabled ({CACHING_DISABLED}), or add"
                " a behaviour with it for that path.",
            )
    return Passed("their TTLs are 0")


def errors_kept(evidence: Evidence) -> Outcome:
    distribution = evidence.snapshot.distribution
    set_to = {error.status: error.kept_for for error in distribution.errors}
    kept = {status: set_to.get(status, 10) for status in _ALWAYS_KEPT} | set_to
    long = [f"{status} for {kept[status]} s" for status in sorted(kept) if kept[status]]
    if long:
        return Warned(
            f"CloudFront keeps errors of the origin: {', '.join(long)}. CachingDisabled"
            " has no query in its key, so the error of one client is shown to others.",
            "Add a custom error response for each, without a page, with an error"
            " caching minimum TTL of 0.",
        )
    return Passed("their TTLs are 0")


def errors_rewritten(evidence: Evidence) -> Outcome:
    rewritten = [
        error
        for error in evidence.snapshot.distribution.errors
        if error.page or error.shown_as != error.status
    ]
    named = ", ".join(f"{each.status} → {each.shown_as}" for each in rewritten)
    remedy = "Remove the page and the response code from that custom error response."
    if any(each.status in _OF_THE_CONTRACT for each in rewritten):
        return Failed(
            f"Statuses that clients act on are replaced by pages: {named}.", remedy
        )
    if rewritten:
        return Warned(f"Errors of the API are replaced by pages: {named}.", remedy)
    return Passed("no status is replaced")


CHECKS = (
    Check("caching.policy", "Gated behaviours keep nothing", policy),
    Check("caching.errors", "Errors are not kept", errors_kept),
    Check("errors.pages", "Errors arrive as they were sent", errors_rewritten),
)
