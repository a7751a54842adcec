"""Every decision of the edge: plain values in, one of a closed set of outcomes out.

viewer-request:

    admit ─┬─▶ Free         forwarded, without the client's contract headers
           ├─▶ Ambiguous    400
           └─▶ Gated ──▶ (verify) ──▶ judge ─┬─▶ Forward
                                             ├─▶ PaymentRequired    402
                                             └─▶ Unavailable        500

origin-response:

    conclude ─┬─▶ NotOurs
              ├─▶ Skip
              └─▶ Settle ──▶ (settle) ──▶ outcome ──▶ Settled | Unsettled

Verify fails closed: only a payment that is known to be valid is forwarded.
Settle fails open: the payer has paid and the origin has delivered,
so none of the outcomes below `conclude` can replace the response.
"""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from .delivered import SettleRule, settles
from .instant import seconds_of
from .intent import is_intent
from .routes import Route, reached, reached_by_any_reading


class Free:
    """Not gated."""

    __slots__ = ()


class Ambiguous:
    """Another reading of the path reaches a route that the path as written does not."""

    __slots__ = ()


class Gated(NamedTuple):
    route: Route


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


class NotOurs:
    """Not a gated request: nothing to settle and nothing to say."""

    __slots__ = ()


class Skip(NamedTuple):
    intent: str | None
    status: int | None
    reason: str


class Settle(NamedTuple):
    route: Route
    intent: str
    status: int


class Settled(NamedTuple):
    at: str | None


class Unsettled(NamedTuple):
    error: str


def admit(method: str, path: str, routes: Sequence[Route]) -> Free | Ambiguous | Gated:
    if method == "OPTIONS":  # browsers send a preflight unasked and without a payment
        return Free()
    if not path.startswith("/"):
        return Ambiguous()
    route = reached(path, routes)
    if reached_by_any_reading(path, routes) - {route}:
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


def conclude(
    admission: Free | Ambiguous | Gated,
    method: str,
    intent: str | None,
    status: int | None,
    rule: SettleRule,
) -> NotOurs | Skip | Settle:
    """What the origin's response is worth.

    A missing intent is said, not passed over: without an origin request policy
    that forwards the headers, nothing would ever be settled."""
    if not isinstance(admission, Gated):
        return NotOurs()
    if intent is None:
        return Skip(None, status, "no settlement intent in the forwarded request")
    if status is None:
        return Skip(intent, None, "origin returned an unreadable status")
    if not settles(rule, method, status):
        return Skip(intent, status, f"origin returned {status}")
    return Settle(admission.route, intent, status)


def outcome(answer: Answer | NoAnswer) -> Settled | Unsettled:
    match answer:
        case NoAnswer(error):
            return Unsettled(error)
        case Answer(200, {"ok": True, **rest}):
            return Settled(_instant(rest.get("settledAt")))
        case Answer(_, {"error": str(code)}) if _is_code(code):
            return Unsettled(code)
        case Answer(200):
            return Unsettled("the answer to settle is malformed")
        case Answer(status):
            return Unsettled(f"settle answered {status}")
        case _:
            assert_never(answer)


def _instant(value: object) -> str | None:
    return value if isinstance(value, str) and seconds_of(value) is not None else None


def _is_code(text: str) -> bool:
    """A word like intent_not_found: fit for an alarm filter, whoever sent it."""
    return len(text) <= 64 and text.isascii() and text.isidentifier()
