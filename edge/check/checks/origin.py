"""The way from CloudFront to the paid origin, and how often it is taken."""

from ..evidence import Evidence
from ..facts.distribution import Origin
from ..finding import Check, Failed, Outcome, Passed, Warned

# A duplicate waits this long for the first attempt before it gets a 409.
_PATIENCE = 25


def protocol(evidence: Evidence) -> Outcome:
    plain = [
        origin.origin_id
        for origin in evidence.paid_origins
        if origin.protocol not in (None, "https-only")
    ]
    if plain and not evidence.allows_plain_origin:
        return Failed(
            f"CloudFront may ask {', '.join(plain)} over http: who listens there sees"
            " signed intents and paid answers.",
            "Set the origin protocol policy to https-only; where that cannot be,"
            " accept it with --allow-http-origin.",
        )
    return Passed("http, which was accepted" if plain else "never http")


def read_timeout(evidence: Evidence) -> Outcome:
    for origin in evidence.paid_origins:
        if origin.read_timeout is not None and origin.read_timeout <= _PATIENCE:
            return Warned(
                f"CloudFront waits {origin.read_timeout} s for {origin.origin_id}. A"
                f" duplicate waits up to {_PATIENCE} s at the origin, and gets"
                " CloudFront's 504 in place of the recorded response.",
                "Set the response timeout to 30 s or more, or lower the patience of"
                " the middleware.",
            )
    return Passed("; ".join(map(_repetitions, evidence.paid_origins)))


def _repetitions(origin: Origin) -> str:
    """Nothing to put right, as long as the origin answers them all with one."""
    waits = "CloudFront decides how long to wait for"
    if origin.read_timeout is not None:
        waits = f"CloudFront waits {origin.read_timeout} s for"
    return (
        f"{waits} {origin.origin_id}, a duplicate up to {_PATIENCE} s; a slow GET"
        f" arrives up to {origin.attempts} times, with one intent"
    )


def groups(evidence: Evidence) -> Outcome:
    used = sorted(
        {
            behaviour.origin_id
            for behaviour in evidence.gated
            if behaviour.origin_id in evidence.snapshot.distribution.groups
        }
    )
    if used:
        return Warned(
            f"{', '.join(used)} is an origin group: what the first origin began, the"
            " second is asked for as well.",
            "Let all origins of the group keep their records in one store, or use a"
            " single origin.",
        )
    return Passed("no origin group")


def shield(evidence: Evidence) -> Outcome:
    used = [o.origin_id for o in evidence.paid_origins if o.is_shielded]
    if used:
        return Warned(
            f"Origin Shield is on for {', '.join(used)}. Nothing paid for is cached:"
            " it is one hop more for each request, and does not warm the Lambda.",
            "Switch Origin Shield off for this origin.",
        )
    return Passed("it is off")


CHECKS = (
    Check("origin.protocol", "Signed intents travel encrypted", protocol),
    Check("origin.timeout", "CloudFront waits longer than a duplicate", read_timeout),
    Check("origin.groups", "No second origin executes what the first began", groups),
    Check("origin.shield", "No Origin Shield for what is not cached", shield),
)
