"""The contract of x402 v2 with a standard facilitator.

    POST /verify  {x402Version, paymentPayload, paymentRequirements}
    POST /settle  {x402Version, paymentPayload, paymentRequirements}

It gives a payment no id, so the intent is derived from what the chain uses up.
"""

import json
import os
from binascii import b2a_base64
from collections.abc import Mapping
from time import time

from .. import gate, settlement
from ..channel import Deadline
from ..cloudfront import X402_PAYMENT_HEADER, OriginResponse, ViewerRequest
from ..facilitator import Calls, Now
from ..gate import Answer, Forward, Malformed, NoAnswer, PaymentRequired, Unavailable
from ..hints import Any, NamedTuple
from ..intent import PROOF_HEADER
from ..routes import Route
from ..settings import Settings
from ..settlement import Refused, Settle, Settled, Unpayable, Unsettled, is_code
from . import amount, payment
from .terms import Accept, Offer, Terms

PAYMENT_HEADER = X402_PAYMENT_HEADER
REQUIRED_HEADER = "PAYMENT-REQUIRED"
RESPONSE_HEADER = "PAYMENT-RESPONSE"

# How facilitators say that a nonce, or a transaction, was settled before. The last is
# also said of one that is being settled.
USED = (
    "invalid_exact_evm_nonce_already_used",
    "permit2_invalid_nonce",
    "duplicate_settlement",
)
# How they say that they sent a transaction, or may have, and do not know more.
UNSURE = (
    "settlement_pending",
    "settle_exact_node_failure",
    "unexpected_settle_error",
    "unknown_error",
)
# What they say before they send one, with any status.
REFUSED = ("insufficient_", "invalid_", "unsupported_")
# Without a reason, these say nothing of the payment: a wrong token, a limit.
_ABOUT_US = (401, 403, 408, 429)

# CloudFront limits the headers of a generated response to 10,240 bytes.
LARGEST_DEMAND = 8_192
# The share of the time that the first question to settle gets.
_FIRST = 0.6

_TOKEN_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"token": {"type": "string"}},
    "required": ["token"],
}
_ID_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "required": {"type": "boolean"},
        "id": {
            "type": "string",
            "minLength": 16,
            "maxLength": 128,
            "pattern": "^[a-zA-Z0-9_-]+$",
        },
    },
    "required": ["required"],
}


class X402(Calls):
    """A standard facilitator."""

    payment_header = PAYMENT_HEADER
    longest_settle = 20.0

    def __init__(
        self,
        settings: Settings,
        *,
        now: Now = time,
        **options: Any,
    ) -> None:
        """`options` are those of Calls."""
        super().__init__(settings, **options)
        self._terms = _terms(settings)
        self._lifetime = settings.lifetime
        self._bearer = settings.api_key
        self._base = settings.facilitator.path
        self._tokens = None
        if self._terms.auth == "cdp":
            from .cdp import Tokens  # noqa: PLC0415 - cold start

            host = settings.facilitator.host
            self._tokens = Tokens(self._terms.key_id, settings.api_key, host, now)

    def headers(self, path: str) -> dict[str, str]:
        headers = super().headers(path)
        if self._tokens is not None:
            token = self._tokens.token(self._base + path)
            headers["authorization"] = f"Bearer {token}"
        elif self._terms.auth == "bearer":
            headers["authorization"] = f"Bearer {self._bearer}"
        return headers

    def judge(
        self, route: Route, request: ViewerRequest, now: Now, seconds: float
    ) -> gate.Verdict:
        lines = request.forwarded["headers"].get(PAYMENT_HEADER, ())
        if not lines:
            return self._require(route, request, None)
        if len(lines) > 1:
            return Malformed(f"{_NAME}: the header is repeated.")
        header: str = lines[0]["value"]
        offer = self._terms.offers[route.path]
        try:
            paid = payment.read(header, offer.identifier)
        except payment.Unreadable as wrong:
            return Malformed(f"{_NAME}: {wrong}.")
        if not paid.intent:
            return self._require(route, request, "x402Version must be 2")
        accept = payment.matched(paid, offer.accepts)
        if accept is None:
            reason = "the payment accepts none of what is offered"
            return self._require(route, request, reason)
        question = _question(paid, accept.entry)
        answer = self.ask("/verify", question, Deadline(seconds, self.clock))
        verified = _verified(answer)
        if isinstance(verified, Unavailable):
            return verified
        if verified in USED and self._terms.used == "replay":
            return _forward(paid, accept, header, used=True)
        if not verified and _ends_within(paid, now() + self._lifetime.shortest):
            verified = "expires_too_soon"
        if verified:
            return self._require(route, request, verified)
        return _forward(paid, accept, header)

    def conclude(
        self, route: Route, due: Settle, response: OriginResponse, seconds: float
    ) -> settlement.Outcome:
        if not due.intent.startswith(payment.INTENT):
            # Another version of the gate has verified it, and none can settle it here.
            return Unsettled("the intent is of another facilitator")
        header = response.headers.get(PAYMENT_HEADER)
        if header is None:
            return Unpayable(
                f"{_NAME} was not forwarded: add it to the origin request policy"
            )
        if payment.digest(header) != response.headers.get(PROOF_HEADER):
            return Unpayable("the payment is not the one that was verified")
        try:
            paid = payment.read(header)
        except payment.Unreadable:
            return Unpayable("the payment cannot be read")
        accept = None
        if paid.intent == due.intent:
            accept = payment.matched(paid, self._terms.offers[route.path].accepts)
        if accept is None:
            return Unpayable("the payment accepts none of what is offered any more")
        asked = amount.due(accept, response.override)
        scheme, network = accept.entry["scheme"], accept.entry["network"]
        if asked is None:
            return Unpayable(
                "Settlement-Overrides cannot be read, or is over the maximum",
                settlement.Terms(scheme, network),
            )
        question = _question(paid, {**accept.entry, "amount": asked})
        found = self._settled(question, response.replayed, seconds)
        terms = settlement.Terms(scheme, network, found.transaction, found.reason)
        return _outcome(found, terms, self._terms.unknown == "refuse")

    def _settled(
        self, question: Mapping[str, object], replayed: bool, seconds: float
    ) -> "_Found":
        """Asked once, and once more where the outcome is unknown: never in parallel, or
        the second would be told of the first that the payment is used."""
        first = self._asked(question, seconds * _FIRST)
        # It was not when it was verified: as a rule, a duplicate has come first.
        if first.kind == "used" and (replayed or self._terms.used == "replay"):
            return first._replace(kind="settled")
        if first.kind != "unknown":
            return first
        second = self._asked(question, seconds * (1 - _FIRST))
        transaction = second.transaction or first.transaction
        match second.kind:
            case "settled" | "used":
                return second._replace(kind="settled", transaction=transaction)
        # A balance that is too small now may be what the first has left behind.
        return second._replace(kind="unknown", transaction=transaction)

    def _asked(self, question: Mapping[str, object], seconds: float) -> "_Found":
        deadline = Deadline(seconds, self.clock)
        return _found(self.ask("/settle", question, deadline, once=True))

    def _require(
        self, route: Route, request: ViewerRequest, reason: str | None
    ) -> PaymentRequired:
        """With a random token, which payers send back as a part of their proof. The
        chain shows the rest of a payment to everybody once it is settled."""
        offer = self._terms.offers[route.path]
        url = f"https://{request.headers.get('host', '')}{request.path}"
        encoded = _encoded(_demand(offer, url, reason))
        if len(encoded) > LARGEST_DEMAND:
            encoded = _encoded(_demand(offer, route.path, reason))
        return PaymentRequired(reason, headers={REQUIRED_HEADER: encoded})


_NAME = "PAYMENT-SIGNATURE"


def _terms(settings: Settings) -> Terms:
    if settings.x402 is None:
        raise ValueError("settings for the facilitator of NexFlow")
    return settings.x402


def _ends_within(paid: payment.Payment, instant: float) -> bool:
    return paid.expires is not None and paid.expires < instant


class _Found(NamedTuple):
    kind: str
    """settled, used, refused or unknown"""
    reason: str = ""
    transaction: str = ""
    receipt: dict[str, object] | None = None


def _demand(offer: Offer, url: str, reason: str | None) -> dict[str, object]:
    token = {"token": os.urandom(16).hex()}
    extensions: dict[str, object] = {
        "replay-token": {"info": token, "schema": _TOKEN_SCHEMA}
    }
    if offer.identifier != "off":
        required = {"required": offer.identifier == "required"}
        extensions["payment-identifier"] = {"info": required, "schema": _ID_SCHEMA}
    return {
        "x402Version": 2,
        "error": reason or "payment required",
        "resource": {"url": url, **offer.resource},
        "accepts": [each.entry for each in offer.accepts],
        "extensions": extensions,
    }


def _question(
    paid: payment.Payment, requirements: Mapping[str, object]
) -> dict[str, object]:
    """With our own requirements: the payer's may say more, or something else."""
    return {
        "x402Version": 2,
        "paymentPayload": paid.members,
        "paymentRequirements": requirements,
    }


def _forward(
    paid: payment.Payment, accept: Accept, header: str, *, used: bool = False
) -> Forward:
    return Forward(
        intent=paid.intent,
        expires=None if used else paid.expires,
        network=accept.entry["network"],
        proof=payment.digest(header),
        used=used,
        scheme=accept.entry["scheme"],
    )


def _verified(answer: Answer | NoAnswer) -> str | Unavailable:
    """Why it is not valid; empty if it is. A refusal may come with any status."""
    match answer:
        case NoAnswer(error):
            return Unavailable(error)
        case Answer(200, {"isValid": True}):
            return ""
        case Answer(_, {"isValid": False, **rest}):
            return _code(rest.get("invalidReason")) or "invalid_payment"
        case Answer(200):
            return Unavailable("the answer to verify is malformed")
        case Answer(status):
            return Unavailable(f"verify answered {status}")


def _found(answer: Answer | NoAnswer) -> _Found:
    match answer:
        case NoAnswer(error):
            return _Found("unknown", error)
        case Answer(200, {"success": True, **rest}):
            return _Found("settled", "", _word(rest.get("transaction")), _receipt(rest))
        case Answer(status, {"success": False, **rest}):
            reason = _code(rest.get("errorReason"))
            transaction = _word(rest.get("transaction"))
            kind = _kind(status, reason, transaction)
            unnamed = (
                "settle_refused" if kind == "refused" else f"settle_answered_{status}"
            )
            reason = reason or unnamed
            return _Found(kind, reason, transaction, _receipt(rest, reason))
        case Answer(200):
            return _Found("unknown", "the answer to settle is malformed")
        case Answer(status):
            return _Found("unknown", f"settle answered {status}")


def _kind(status: int, reason: str, transaction: str) -> str:
    """Of an answer without success."""
    if reason in USED:
        return "used"
    if not reason:
        unsure = status >= 500 or status in _ABOUT_US or transaction != ""
    elif reason in UNSURE or reason.endswith("_timed_out"):
        unsure = True
    else:
        unsure = status >= 500 and not reason.startswith(REFUSED)
    return "unknown" if unsure else "refused"


def _outcome(
    found: _Found, terms: settlement.Terms, withholds: bool
) -> settlement.Outcome:
    receipt = dict(found.receipt or {})
    match found.kind:
        case "settled":
            receipt |= {"success": True, "network": terms.network}
            receipt["transaction"] = found.transaction
            receipt.pop("errorReason", None)
            return Settled(None, {RESPONSE_HEADER: _encoded(receipt)}, terms)
        case "refused" | "used":
            receipt |= {"success": False, "network": terms.network}
            receipt["transaction"] = found.transaction
            return Refused(found.reason, {RESPONSE_HEADER: _encoded(receipt)}, terms)
    return Unsettled(found.reason, withholds, terms)


def _receipt(rest: Mapping[Any, object], reason: str = "") -> dict[str, object]:
    """What of a facilitator's answer the payer is told: short texts that it knows."""
    receipt: dict[str, object] = {}
    for name in ("payer", "amount"):
        value = _word(rest.get(name))
        if value:
            receipt[name] = value
    if reason:
        receipt["errorReason"] = reason
    return receipt


def _code(value: object) -> str:
    return value if isinstance(value, str) and is_code(value) else ""


def _word(value: object) -> str:
    """Of the characters of a hash, an address or a number, and nothing longer."""
    if not isinstance(value, str) or len(value) > 128:
        return ""
    return value if value.isascii() and value.isalnum() else ""


def _encoded(members: Mapping[str, object]) -> str:
    text = json.dumps(members, separators=(",", ":"))
    return b2a_base64(text.encode(), newline=False).decode()
