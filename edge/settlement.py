"""What origin-response decides: is the answer settled, and what became of that?

    conclude ─┬─▶ NotOurs
              ├─▶ Skip
              └─▶ Settle ──▶ (settle) ──▶ outcome ──▶ Settled | Unsettled

Settle fails open: the payer has paid and the origin has delivered,
so none of the outcomes here can replace the response.
"""

from .delivered import SettleRule, settles
from .gate import Admission, Answer, Gated, NoAnswer
from .instant import seconds_of
from .typed import NamedTuple, assert_never


class Delivery(NamedTuple):
    """What the origin answered, and to whose request."""

    method: str
    status: int | None
    intent: str | None
    resource_id: str | None
    network: str | None
    distrust: str | None
    """Why the intent is not one of the gate's own, where the gate signs."""


class NotOurs:
    """Not a gated request: nothing to settle and nothing to say."""

    __slots__ = ()


class Skip(NamedTuple):
    intent: str | None
    status: int | None
    reason: str


class Settle(NamedTuple):
    intent: str
    resource_id: str
    network: str
    status: int


class Settled(NamedTuple):
    at: str | None


class Unsettled(NamedTuple):
    error: str


def conclude(
    admission: Admission, delivery: Delivery, rule: SettleRule
) -> NotOurs | Skip | Settle:
    """What the origin's response is worth.

    Where the gate signs, a missing intent is said: without an origin request policy
    that forwards the headers, nothing would ever be settled. A gate that does not sign
    cannot tell, because its own requests look like anybody's."""
    if not isinstance(admission, Gated):
        return NotOurs()
    intent, status = delivery.intent, delivery.status
    if intent is None:
        return _without_intent(delivery)
    if status is None:
        return Skip(intent, None, "origin returned an unreadable status")
    if not settles(rule, delivery.method, status):
        return Skip(intent, status, f"origin returned {status}")
    if delivery.distrust is not None:
        return Skip(intent, status, delivery.distrust)
    # What verify was asked about, and the origin was told. While a version of the gate
    # replaces another, the route may have changed in between.
    resource_id = delivery.resource_id or admission.route.resource_id
    network = delivery.network or admission.route.network
    return Settle(intent, resource_id, network, status)


def _without_intent(delivery: Delivery) -> NotOurs | Skip:
    if delivery.distrust is None:
        return NotOurs()
    reason = "no settlement intent in the forwarded request"
    return Skip(None, delivery.status, reason)


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
    """A word like intent_not_found: fit for an alarm filter, whoever sent it.
    Not the API key, which a broken facilitator may say back: it begins with nf_."""
    is_word = len(text) <= 64 and text.isascii() and text.isidentifier()
    return is_word and not text.startswith("nf_")
