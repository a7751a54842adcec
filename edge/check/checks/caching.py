"""Nothing paid for comes from a cache, and no error does for long."""

from collections.abc import Iterator

from ...aws.managed_policies import CACHING_DISABLED
from ...aws.statuses import OF_THE_CONTRACT
from ..evidence import Evidence
from ..facts.unread import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned, worst_of


def policy(evidence: Evidence) -> Iterator[Outcome]:
    for behaviour in evidence.gated:
        found = behaviour.caching
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif found.maximum > 0:
            yield Failed(
                f"{behaviour.pattern} serves {evidence.example(behaviour)} and keeps"
                f" responses up to {found.maximum} s. What one client paid for is"
                " handed to others, and a response from the cache is never settled.",
                f"Set the managed policy CachingDisabled ({CACHING_DISABLED}), or add"
                " a behaviour with it for that path.",
            )


def errors_kept(evidence: Evidence) -> Outcome:
    kept = evidence.snapshot.distribution.errors_kept
    long = [f"{status} for {seconds} s" for status, seconds in kept.items() if seconds]
    if long:
        return Warned(
            f"CloudFront keeps errors of the origin: {', '.join(long)}. CachingDisabled"
            " has no query in its key, so the error of one client is shown to others.",
            "Run python -m edge deploy, or add a custom error response for each,"
            " without a page, with an error caching minimum TTL of 0.",
        )
    return Passed("their TTLs are 0")


def errors_rewritten(evidence: Evidence) -> Outcome:
    pages = evidence.snapshot.distribution.pages
    named = ", ".join(f"{status} → {shown_as}" for status, shown_as in pages.items())
    remedy = "Remove the page and the response code from that custom error response."
    if OF_THE_CONTRACT & set(pages):
        return Failed(
            f"Statuses that clients act on are replaced by pages: {named}.", remedy
        )
    if pages:
        return Warned(f"Errors of the API are replaced by pages: {named}.", remedy)
    return Passed("no status is replaced")


CHECKS = (
    Check(
        "caching.policy",
        "Gated behaviours keep nothing",
        worst_of(policy, "their TTLs are 0"),
    ),
    Check("caching.errors", "Errors are not kept", errors_kept),
    Check("errors.pages", "Errors arrive as they were sent", errors_rewritten),
)
