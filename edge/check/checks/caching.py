"""No paid response comes from a cache, and no error either."""

from collections.abc import Iterator

from ...aws.managed_policies import CACHING_DISABLED
from ...errors import COMMAND
from ..facts import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned, worst_of
from ..subject import Subject

# The statuses of the two halves. A client acts on the status and the body.
OF_THE_CONTRACT = frozenset({400, 401, 402, 409, 422, 500, 503})


def policy(subject: Subject) -> Iterator[Outcome]:
    for behaviour in subject.gated:
        found = behaviour.caching
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif found.maximum > 0:
            yield Failed(
                f"{behaviour.pattern} serves {subject.example(behaviour)} and keeps"
                f" responses for up to {found.maximum} s. Other clients get a response"
                " that one has paid for, and a cached response is never settled.",
                f"Set the managed policy CachingDisabled ({CACHING_DISABLED}), or add"
                " a behaviour with it for that path.",
            )


def errors_kept(subject: Subject) -> Outcome:
    kept = subject.snapshot.distribution.errors_kept
    long = [f"{status} for {seconds} s" for status, seconds in kept.items() if seconds]
    if long:
        return Warned(
            f"CloudFront caches errors of the origin: {', '.join(long)}."
            " CachingDisabled has no query in its key, so other clients see one"
            " client's error.",
            f"Run {COMMAND} deploy, or add a custom error response for each,"
            " without a page, with an error caching minimum TTL of 0.",
        )
    return Passed("their TTLs are 0")


def errors_rewritten(subject: Subject) -> Outcome:
    pages = subject.snapshot.distribution.pages
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
        "Gated behaviours cache nothing",
        worst_of(policy, "their TTLs are 0"),
    ),
    Check("caching.errors", "Errors are not cached", errors_kept),
    Check("errors.pages", "Errors arrive as they were sent", errors_rewritten),
)
