"""What viewer-request decides: plain values in, one of a closed set of outcomes out.

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
from .routes import Route, match, match_any_reading


class Free:
    """Not gated."""

    __slots__ = ()


class Ambiguous:
    """Another reading of the path matches a route that the path as written does not."""

    __slots__ = ()


class Gated(NamedTuple):
    route: Route


Admission = Free | Ambiguous | Gated


class Answer(NamedTuple):
    """What the facilitator said; the body is None when it was not JSON."""

    status: int
    body: object


class NoAnswer(NamedTuple):
    error: str


class Forward(NamedTuple):
    intent: str


class PaymentRequired(NamedTuple):
    reason: str | None
    requirement: dict[str, object] | None


class Unavailable(NamedTuple):
    """It cannot be told whether the payment is valid."""

    error: str


def admit(method: str, path: str, routes: Sequence[Route]) -> Admission:
    if method == "OPTIONS":  # browsers send a preflight unasked and without a payment
        return Free()
    if not path.startswith("/"):
        return Ambiguous()
    route = match(path, routes)
    if match_any_reading(path, routes) - {route}:
        return Ambiguous()
    return Gated(route) if route else Free()


def judge(
    answer: Answer | NoAnswer, now: float
) -> Forward | PaymentRequired | Unavailable:
    """What the answer to verify allows.

    `True` and `False` match by identity: 1 and "true" are neither."""
    match answer:
        case NoAnswer(error):
            return Unavailable(error)
        case Answer(200, {"valid": True, **rest}):
            return _accept(rest.get("settlementIntentId"), rest.get("expiresAt"), now)
        case Answer(200, {"valid": False, **rest}):
            return _require(rest.get("reason"), rest.get("requirement"))
        case Answer(200):
            return Unavailable("the answer to verify is malformed")
        case Answer(status):
            return Unavailable(f"verify answered {status}")
        case _:
            assert_never(answer)


def _accept(intent: object, expires_at: object, now: float) -> Forward | Unavailable:
    if not is_intent(intent):
        return Unavailable("the answer to verify has no usable settlement intent")
    if expires_at is None:
        return Forward(intent)
    expires = seconds_of(expires_at)
    if expires is None:
        return Unavailable("the expiry of the settlement intent cannot be read")
    if expires <= now:
        return Unavailable("the settlement intent has expired")
    return Forward(intent)


def _require(reason: object, requirement: object) -> PaymentRequired:
    return PaymentRequired(
        reason if isinstance(reason, str) else None,
        requirement if isinstance(requirement, dict) else None,
    )
