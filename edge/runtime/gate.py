"""Decides for viewer-request: plain values in, one of a closed set of outcomes out.

    admit ─┬─▶ Free         forwarded, without the client's contract headers
           ├─▶ Ambiguous    400
           └─▶ Gated ──▶ (verify) ──▶ judge ─┬─▶ Forward
                                             ├─▶ PaymentRequired    402
                                             └─▶ Unavailable        500

Verify fails closed: only a payment that is known to be valid is forwarded.
What origin-response decides is in `settlement.py`.
"""

from collections.abc import Sequence

from .hints import NamedTuple, assert_never
from .instant import seconds_of
from .intent import is_intent
from .routes import Route, Table


class Free:
    """Not gated."""

    __slots__ = ()


class Ambiguous:
    """Another reading of the path matches a route that the path as written does not,
    or the path is too odd to be read."""

    __slots__ = ()


class Gated(NamedTuple):
    route: Route


Admission = Free | Ambiguous | Gated


class Answer(NamedTuple):
    """The facilitator's answer; the body is None if it was not JSON."""

    status: int
    body: object


class Repeated(Answer):
    """To a question that was asked before, and not answered: what that one has done is
    not known."""

    __slots__ = ()


class NoAnswer(NamedTuple):
    error: str


class Forward(NamedTuple):
    intent: str
    expires: float | None = None
    network: str | None = None
    """Of the payment, where a route has several."""
    proof: str | None = None
    """The digest of the payment as it was sent; None if the facilitator vouches for the
    intent."""
    used: bool = False
    """The payment is made already: only a recorded answer will do."""
    scheme: str | None = None


class PaymentRequired(NamedTuple):
    reason: str | None
    requirement: dict[str, object] | None = None
    headers: dict[str, str] | None = None
    """With them the answer is that of x402 v2, whose body is empty."""


class Malformed(NamedTuple):
    """Not a payment that can be read in one way only."""

    reason: str


class Unavailable(NamedTuple):
    """It is unknown whether the payment is valid."""

    error: str


Verdict = Forward | PaymentRequired | Malformed | Unavailable


class Lifetime(NamedTuple):
    """The limits, in seconds, of how long an expiring intent must still be valid."""

    shortest: float = 10.0
    """The payer decides how long a request takes. An intent that expires before the
    origin has answered can no longer be settled."""
    longest: float = 12 * 3600.0
    """An intent that outlives the origin's record buys another execution. Records are
    kept for 24 hours unless the origin says otherwise."""


_USUAL = Lifetime()


def admit(method: str, path: str, routes: Sequence[Route] | Table) -> Admission:
    if method == "OPTIONS":  # browsers send a preflight unasked and without a payment
        return Free()
    if not path.startswith("/"):
        return Ambiguous()
    table = routes if isinstance(routes, Table) else Table(routes)
    route = table.match(path)
    found = table.match_any_reading(path)
    if found is None or found - {route}:
        return Ambiguous()
    return Gated(route) if route else Free()


def judge(
    answer: Answer | NoAnswer, now: float, lifetime: Lifetime = _USUAL
) -> Forward | PaymentRequired | Unavailable:
    """Decides from the answer to verify.

    `True` and `False` match by identity: 1 and "true" are neither."""
    match answer:
        case NoAnswer(error):
            return Unavailable(error)
        case Answer(200, {"valid": True, **rest}):
            return _accept(
                rest.get("settlementIntentId"), rest.get("expiresAt"), now, lifetime
            )
        case Answer(200, {"valid": False, **rest}):
            return _require(rest.get("reason"), rest.get("requirement"))
        case Answer(200):
            return Unavailable("the answer to verify is malformed")
        case Answer(status):
            return Unavailable(f"verify answered {status}")
        case _:
            assert_never(answer)


def _accept(
    intent: object, expires_at: object, now: float, lifetime: Lifetime
) -> Forward | PaymentRequired | Unavailable:
    if not is_intent(intent):
        return Unavailable("the answer to verify has no usable settlement intent")
    if expires_at is None:
        return Forward(intent)
    expires = seconds_of(expires_at)
    if expires is None:
        return Unavailable("the expiry of the settlement intent cannot be read")
    if expires - now < lifetime.shortest:
        return PaymentRequired("expires_too_soon")
    if expires - now > lifetime.longest:
        return PaymentRequired("expires_too_late")
    return Forward(intent, expires)


def _require(reason: object, requirement: object) -> PaymentRequired:
    return PaymentRequired(
        reason if isinstance(reason, str) else None,
        requirement if isinstance(requirement, dict) else None,
    )
