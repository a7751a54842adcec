"""The decisions of origin-response: is the answer settled, and with what outcome?

    conclude ─┬─▶ NotOurs
              ├─▶ Skip
              └─▶ Settle ──▶ (settle) ──▶ outcome ─┬─▶ Settled
                                                   ├─▶ Refused
                                                   └─▶ Unsettled

Settle fails open: the payer has paid and the origin has delivered, so an unknown
outcome never replaces the response. A plain no does, if the seller has chosen that.
"""

from .gate import Admission, Answer, Gated, NoAnswer
from .hints import Literal, NamedTuple, TypeGuard, assert_never
from .instant import seconds_of

# "below-400" is the rule of the published adapter.
SettleRule = Literal["delivered", "below-400"]

# For a response whose payment was refused for certain.
# "deliver" is the rule of the published checklist.
RefusedRule = Literal["deliver", "withhold"]


class Delivery(NamedTuple):
    """The origin's answer, and the request that it answers."""

    method: str
    status: int | None
    intent: str | None
    resource_id: str | None
    network: str | None
    distrust: str | None
    """Why the intent is not the gate's own, if the gate signs."""
    replay: str | None = None
    """What stands in place of the intent where the payment is used."""


class NotOurs:
    """Not a gated request: nothing to settle and nothing to log."""

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


class Replay(NamedTuple):
    """The payment was made earlier: nothing to settle."""

    intent: str
    status: int | None


class Terms(NamedTuple):
    """What was asked of a standard facilitator, for the log."""

    scheme: str
    network: str
    transaction: str = ""
    reason: str = ""
    """A code, and no text of the facilitator's."""


class Settled(NamedTuple):
    at: str | None
    headers: dict[str, str] | None = None
    """To add to the response."""
    terms: Terms | None = None


class Refused(NamedTuple):
    """The facilitator says for certain that this payment is not made."""

    reason: str
    headers: dict[str, str] | None = None
    terms: Terms | None = None


class Unsettled(NamedTuple):
    """It is unknown whether the payment is made."""

    error: str
    withheld: bool = False
    terms: Terms | None = None


class Unpayable(NamedTuple):
    """Nothing was asked, because it is not known what for."""

    error: str
    terms: Terms | None = None


Outcome = Settled | Refused | Unsettled | Unpayable


def conclude(
    admission: Admission, delivery: Delivery, rule: SettleRule
) -> NotOurs | Skip | Replay | Settle:
    """Decides whether the origin's response is settled.

    If the gate signs, it logs a missing intent: without an origin request policy that
    forwards the headers, nothing would ever be settled. A gate that does not sign
    cannot tell its own requests from others."""
    if not isinstance(admission, Gated):
        return NotOurs()
    intent, status = delivery.intent, delivery.status
    if intent is None and delivery.replay is not None and delivery.distrust is None:
        return Replay(delivery.replay, status)
    if intent is None:
        return _without_intent(delivery)
    if status is None:
        return Skip(intent, None, "origin returned an unreadable status")
    if not settles(rule, delivery.method, status):
        return Skip(intent, status, f"origin returned {status}")
    if delivery.distrust is not None:
        return Skip(intent, status, delivery.distrust)
    # The resource that was verified. While one version of the gate replaces another,
    # the route may have changed in between.
    resource_id = delivery.resource_id or admission.route.resource_id
    network = delivery.network or admission.route.network
    return Settle(intent, resource_id, network, status)


def _without_intent(delivery: Delivery) -> NotOurs | Skip:
    if delivery.distrust is None:
        return NotOurs()
    reason = "no settlement intent in the forwarded request"
    return Skip(None, delivery.status, reason)


def settles(rule: SettleRule, method: str, status: int) -> bool:
    match rule:
        case "delivered":
            return delivered(method, status)
        case "below-400":
            return 100 <= status < 400
        case _:
            assert_never(rule)


def delivered(method: str, status: int) -> bool:
    """The origin records a response exactly when the gate settles it, so this must
    agree with the origin's own rule."""
    # After a POST, 301 and 302 say that it was processed and the answer is elsewhere.
    # A GET is told to ask again over there, so nothing was delivered yet.
    if status in (301, 302):
        return method not in ("GET", "HEAD")
    return 200 <= status < 300 or status == 303


def outcome(answer: Answer | NoAnswer) -> Settled | Refused | Unsettled:
    match answer:
        case NoAnswer(error):
            return Unsettled(error)
        case Answer(200, {"ok": True, **rest}):
            return Settled(_instant(rest.get("settledAt")))
        case Answer(status, {"ok": False, **rest}) if _is_final(status):
            code = rest.get("error")
            if isinstance(code, str) and is_code(code):
                return Refused(code)
            return Refused("settle_refused")
        case Answer(_, {"error": str(code)}) if is_code(code):
            return Unsettled(code)
        case Answer(200):
            return Unsettled("the answer to settle is malformed")
        case Answer(status):
            return Unsettled(f"settle answered {status}")
        case _:
            assert_never(answer)


def withholds(outcome: Outcome, rule: RefusedRule) -> TypeGuard[Refused]:
    """With a standard facilitator a refusal always withholds the response: it cannot be
    charged later. The answer stays on record."""
    if not isinstance(outcome, Refused):
        return False
    return rule == "withhold" or outcome.headers is not None


def _is_final(status: int) -> bool:
    """Not 400, 401, 425 and 429: those are about the gate, not the payment. Not 408 and
    409, and nothing from 500 on: the payment may have been made anyway."""
    return status == 200 or (400 <= status < 500 and status not in _ABOUT_US)


_ABOUT_US = (400, 401, 408, 409, 425, 429)


def _instant(value: object) -> str | None:
    return value if isinstance(value, str) and seconds_of(value) is not None else None


def is_code(text: str) -> bool:
    """A word like intent_not_found: safe for an alarm filter.
    Not the API key, which a broken facilitator may repeat: it begins with nf_."""
    is_word = len(text) <= 64 and text.isascii() and text.isidentifier()
    return is_word and not text.startswith("nf_")
