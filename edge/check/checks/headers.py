"""The gate's headers reach the origin, and the origin's headers reach the client."""

from collections.abc import Iterator

from ...aws.managed_policies import ALL_VIEWER_EXCEPT_HOST_HEADER
from ...aws.path_patterns import example
from ...errors import COMMAND
from ...runtime.routes import match
from ..facts import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned, worst_of
from ..subject import Subject

_REMEDY = (
    "Set the managed origin request policy AllViewerExceptHostHeader"
    f" ({ALL_VIEWER_EXCEPT_HOST_HEADER}), or AllViewer if the origin needs the host."
)

# A client needs these to pay, to retry, and to recognise a replay.
_OF_RESPONSES = frozenset(
    {
        *("cache-control", "content-type", "retry-after", "idempotent-replayed"),
        *("payment-required", "payment-response"),  # of a standard facilitator's gate
    }
)


def forwarded(subject: Subject) -> Iterator[Outcome]:
    for behaviour in subject.gated:
        found = behaviour.forwarding
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif lost := sorted(name for name in subject.contract if not found.has(name)):
            if behaviour.has_legacy_settings:  # they forward what they do not list
                yield Warned(
                    f"{behaviour.pattern} has legacy cache settings that do not name"
                    f" {', '.join(lost)}. AWS forwards such headers to a server, and"
                    " not to every kind of origin.",
                    f"Run {COMMAND} deploy, or: {_REMEDY}",
                )
            else:
                yield Failed(
                    f"{behaviour.pattern} serves {subject.example(behaviour)} and does"
                    f" not send the origin {', '.join(lost)}: paid requests are"
                    " refused, or served and never settled.",
                    _REMEDY,
                )


def query(subject: Subject) -> Iterator[Outcome]:
    for behaviour in subject.gated:
        found = behaviour.forwarding
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif not found.parts:
            yield NotChecked("there is no origin request policy at all")
        elif not found.has_whole_query:
            yield Failed(
                f"On {behaviour.pattern} the origin does not get the whole query, which"
                " the gate signs: a paid request with a query is refused.",
                _REMEDY,
            )


def signed_urls(subject: Subject) -> Outcome:
    found = [each.pattern for each in subject.gated if each.wants_signed_urls]
    if found:
        return Warned(
            f"{', '.join(found)} wants signed URLs or cookies. CloudFront takes"
            " Expires, Policy, Signature and Key-Pair-Id off the query before it asks"
            " the origin: the gate does not sign them, and the origin cannot use them.",
            "Take the key groups and signers off paid behaviours, if the payment is all"
            " that is asked for. Otherwise try a paid request with a signed URL before"
            " you go live.",
        )
    return Passed("no signed URLs or cookies")


def added(subject: Subject) -> Outcome:
    """An origin's custom headers replace those of the same name in every request."""
    for origin in subject.paid_origins:
        found = sorted(origin.added_headers & subject.contract)
        if found:
            return Failed(
                f"CloudFront adds {', '.join(found)} to every request for"
                f" {origin.origin_id}: all requests have the same intent.",
                "Remove that custom header from the origin.",
            )
    return Passed("none")


def responses(subject: Subject) -> Iterator[Outcome]:
    for behaviour in subject.gated:
        found = behaviour.changed_headers
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif touched := sorted(found & _OF_RESPONSES):
            yield Warned(
                f"The response headers policy of {behaviour.pattern} removes or"
                f" replaces {', '.join(touched)}.",
                "Remove them from the policy: clients act on them.",
            )


def cors(subject: Subject) -> Iterator[Outcome]:
    """Without it a page cannot read the 402 that says what to pay."""
    allowed = subject.allowed_origins
    if allowed:
        return
    for behaviour in subject.gated:
        found = behaviour.has_cors
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif not found and allowed is None:
            yield NotChecked("give --bundle or --routes: allowed_origins is in them")
        elif not found:
            yield Warned(
                f"No page in a browser can read the gate's answers on"
                f" {behaviour.pattern}, and so none can pay: routes.toml has no"
                " allowed_origins, and no response headers policy has CORS.",
                "Set allowed_origins in routes.toml, build and deploy. Without"
                " clients in browsers there is nothing to do.",
            )


def logged(subject: Subject) -> Iterator[Outcome]:
    for behaviour in subject.gated:
        found = behaviour.logged_fields
        if isinstance(found, Unread):
            yield NotChecked(f"{behaviour.pattern}: {found.why}")
        elif "cs-headers" in found:
            yield Failed(
                f"The real-time log of {behaviour.pattern} has all request headers,"
                " and with them every payment proof.",
                "Remove the field cs-headers from the real-time log configuration.",
            )


def paths(subject: Subject) -> Outcome:
    """The gate sees and signs the path of the request, not of the origin."""
    for name, asked, path in _unpaid(subject):
        return Failed(
            f"{asked} is free, and CloudFront asks {name} for {path}, which is paid"
            " for: it has an origin path, and leads to the server of the paid API.",
            "Remove the origin path, or add a route for the paths as clients ask for"
            " them.",
        )
    for name, prefix in _prefixed(subject):
        wrong = (
            f"CloudFront puts {prefix} in front of the path of requests for {name}. The"
            " gate does not know: the origin sees a path that was not signed."
        )
        remedy = "Remove the origin path, and serve the API under the signed path."
        if subject.bundle is not None and not subject.bundle.settings.signing:
            return Warned(wrong, remedy)
        return Failed(wrong, remedy)
    return Passed("no origin path")


def _unpaid(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Ways to a paid path through an origin path: the origin, the path that a client
    asks for, and the one that the origin is asked for."""
    earlier: list[str] = []
    for behaviour in subject.snapshot.behaviours:
        pattern = f"/{behaviour.pattern.removeprefix('/')}"
        for origin in subject.same_server(behaviour):
            prefix = origin.path_prefix
            before = [prefix + each for each in earlier]
            for route in subject.routes if prefix else ():
                path = example(prefix + pattern, before, route.path)
                if path is None:
                    continue
                asked = path.removeprefix(prefix)
                if not match(asked, subject.routes):
                    yield origin.origin_id, asked, path
        earlier.append(pattern)


def _prefixed(subject: Subject) -> Iterator[tuple[str, str]]:
    for origin in subject.paid_origins:
        if origin.path_prefix:
            yield origin.origin_id, origin.path_prefix


CHECKS = (
    Check(
        "headers.forwarded",
        "The gate's headers reach the origin",
        worst_of(forwarded, "all five"),
    ),
    Check(
        "headers.query",
        "The whole query reaches the origin",
        worst_of(query, "all of it"),
    ),
    Check("headers.signed-urls", "CloudFront takes nothing off the query", signed_urls),
    Check("headers.path", "The origin sees the path that was signed", paths),
    Check("headers.added", "CloudFront adds none of the gate's headers", added),
    Check(
        "headers.answers",
        "Responses keep the headers that clients act on",
        worst_of(responses, "no policy touches them"),
    ),
    Check(
        "headers.cors",
        "Wallets in browsers can read what to pay",
        worst_of(cors, "allowed_origins, or a policy, lets them"),
    ),
    Check(
        "headers.logged",
        "CloudFront logs no payment proof",
        worst_of(logged, "no cs-headers"),
    ),
)
