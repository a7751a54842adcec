"""The distribution: the way in, the way to the paid origin, and as a whole."""

from ...runtime.routes import match
from ..facts import Unread
from ..facts.distribution import Origin
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned
from ..subject import Subject

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
# AWS allows no others where the target is an origin group.
_METHODS_OF_GROUPS = frozenset({"GET", "HEAD", "OPTIONS"})

# A duplicate waits this long for the first attempt before it gets a 409.
_PATIENCE = 25


def viewer_protocol(subject: Subject) -> Outcome:
    plain = [b.pattern for b in subject.gated if b.viewer_protocol == "allow-all"]
    if plain:
        return Failed(
            f"{', '.join(plain)} also accepts http, where anybody on the way can read"
            " the payment proof.",
            "Set the viewer protocol policy to https-only or redirect-to-https.",
        )
    return Passed("https")


def methods(subject: Subject) -> Outcome:
    groups = subject.snapshot.distribution.groups
    for behaviour in subject.gated:
        possible = _METHODS_OF_GROUPS if behaviour.origin_id in groups else _METHODS
        refused = sorted(possible - behaviour.methods)
        if refused:
            return Warned(
                f"On {behaviour.pattern} CloudFront answers {', '.join(refused)} with"
                " 403, before the gate runs.",
                "Allow these methods if a paid route takes one of them. Browsers send"
                " an OPTIONS first.",
            )
    return Passed("all that CloudFront can allow there")


def origin_triggers(subject: Subject) -> Outcome:
    found = [
        f"{origin.origin_id} {origin.without_triggers}"
        for origin in subject.paid_origins
        if origin.without_triggers
    ]
    if found:
        return Failed(
            f"The origin {', and '.join(found)}. AWS runs no origin-response function"
            " there: paid requests are served, and never settled.",
            "Give the API an origin that is neither in a VPC nor uses mutual TLS."
            " To keep others out of it, let it verify the gate's signature.",
        )
    return Passed("each of the paid origins has them")


def grpc(subject: Subject) -> Outcome:
    open_ = [each.pattern for each in subject.reaching if each.takes_grpc]
    if open_:
        return Failed(
            f"gRPC is enabled on {', '.join(open_)}. AWS does not support Lambda@Edge"
            " for gRPC requests: a request that claims to be gRPC could pass the"
            " gate unpaid.",
            "Switch gRPC off for every behaviour that reaches the paid origin.",
        )
    return Passed("gRPC is off")


def origin_protocol(subject: Subject) -> Outcome:
    plain = [
        origin.origin_id
        for origin in subject.paid_origins
        if origin.protocol not in (None, "https-only")
    ]
    if plain and not subject.allows_plain_origin:
        return Failed(
            f"CloudFront may use http for {', '.join(plain)}: anybody on the way can"
            " read signed intents and paid responses.",
            "Set the origin protocol policy to https-only. If that is impossible,"
            " accept http with --allow-http-origin.",
        )
    return Passed("http, which was accepted" if plain else "never http")


def read_timeout(subject: Subject) -> Outcome:
    for origin in subject.paid_origins:
        if origin.read_timeout is not None and origin.read_timeout <= _PATIENCE:
            return Warned(
                f"CloudFront waits {origin.read_timeout} s for {origin.origin_id}. A"
                f" duplicate waits up to {_PATIENCE} s at the origin, and gets"
                " CloudFront's 504 in place of the recorded response.",
                "Set the response timeout to 30 s or more, or lower the patience of"
                " the middleware.",
            )
    return Passed("; ".join(map(_repetitions, subject.paid_origins)))


def origin_groups(subject: Subject) -> Outcome:
    used = sorted(
        {
            behaviour.origin_id
            for behaviour in subject.gated
            if behaviour.origin_id in subject.snapshot.distribution.groups
        }
    )
    if used:
        return Warned(
            f"{', '.join(used)} is an origin group: CloudFront also sends the second"
            " origin a request that the first may already execute.",
            "Let all origins of the group keep their records in one store, or use a"
            " single origin.",
        )
    return Passed("no origin group")


def shield(subject: Subject) -> Outcome:
    used = [o.origin_id for o in subject.paid_origins if o.is_shielded]
    if used:
        return Warned(
            f"Origin Shield is on for {', '.join(used)}. Paid responses are not"
            " cached: it is one more hop for each request, and keeps no Lambda warm.",
            "Switch Origin Shield off for this origin.",
        )
    return Passed("it is off")


def known(subject: Subject) -> Outcome:
    unknown = subject.snapshot.distribution.unknown
    if unknown:
        return Warned(
            f"The distribution has {', '.join(unknown)}, which the installed boto3 does"
            " not know, so it was not checked.",
            "Update boto3 (pip install --upgrade boto3), and check again.",
        )
    return Passed("boto3 knows all of it")


def enabled(subject: Subject) -> Outcome:
    if not subject.snapshot.distribution.is_enabled:
        return Failed("The distribution is disabled.", "Enable it.")
    return Passed("enabled")


def deployed(subject: Subject) -> Outcome:
    status = subject.snapshot.distribution.status
    if status != "Deployed":
        return Failed(
            f"The distribution is {status}: some edge locations still run"
            " the previous configuration.",
            "Wait until it is Deployed, and check again. Revoke no key before that.",
        )
    return Passed("Deployed")


def staging(subject: Subject) -> Outcome:
    distribution = subject.snapshot.distribution
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


def root_object(subject: Subject) -> Outcome:
    """CloudFront replaces the path after viewer-request: the gate verifies one path,
    and the origin gets another."""
    name = subject.snapshot.distribution.root_object
    if name and match("/", subject.routes):
        return Failed(
            f"A route gates /, and the default root object turns it into /{name}"
            " after the gate has signed: the origin refuses it.",
            "Remove the default root object.",
        )
    if name and match(f"/{name}", subject.routes):
        return Failed(
            f"/ is free and shows /{name}, which is paid for: the default root object"
            " is put in after the gate has let the request pass.",
            "Remove the default root object, or name a page that is free.",
        )
    return Passed("no default root object is in the way")


def _repetitions(origin: Origin) -> str:
    """Repeated requests do no harm: the origin answers all of them from one record."""
    waits = "CloudFront decides how long to wait for"
    if origin.read_timeout is not None:
        waits = f"CloudFront waits {origin.read_timeout} s for"
    return (
        f"{waits} {origin.origin_id}, a duplicate up to {_PATIENCE} s; a slow GET"
        f" arrives up to {origin.attempts} times, with one intent"
    )


CHECKS = (
    Check("viewer.protocol", "Payment proofs travel encrypted", viewer_protocol),
    Check("viewer.methods", "Methods that routes take are allowed", methods),
    Check("viewer.grpc", "gRPC cannot bypass the gate", grpc),
    Check("origin.triggers", "AWS runs the gate after each origin", origin_triggers),
    Check("origin.protocol", "Signed intents travel encrypted", origin_protocol),
    Check("origin.timeout", "CloudFront waits longer than a duplicate", read_timeout),
    Check(
        "origin.groups",
        "No second origin executes a request of the first",
        origin_groups,
    ),
    Check("origin.shield", "No Origin Shield where nothing is cached", shield),
    Check("distribution.known", "Everything in it was looked at", known),
    Check("distribution.enabled", "The distribution is enabled", enabled),
    Check("distribution.deployed", "The distribution is deployed", deployed),
    Check("distribution.staging", "All traffic comes here", staging),
    Check("distribution.root-object", "No gated path is rewritten", root_object),
)
