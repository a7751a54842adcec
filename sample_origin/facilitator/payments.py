"""Proofs, intents and settlements: the answers of verify and settle, without HTTP.

No chain is asked. A `nf_test_*` key accepts any stub as a proof; a `nf_live_*` key
requires an x402 payload: base64 of a JSON object whose `payload` has a `signature`.
Under either key, a proof that begins with the name of a reason is invalid for that
reason: `expired`, `expired-2`, `insufficient_amount`, `invalid_signature`.
"""

import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from .contract import ContractError, SettleRequest, VerifyRequest

Clock: TypeAlias = Callable[[], float]
Answer: TypeAlias = tuple[int, dict[str, Any]]

TEST_KEY = "nf_test_"
BAD_PROOFS = ("invalid_signature", "expired", "insufficient_amount")


class InvalidProofError(Exception):
    """The proof does not pay for the resource; the reason is one of the contract."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Intent:
    """The resource that a proof pays for, and how long it can be verified again."""

    resource_id: str
    network: str
    expires_at: float


class Payments:
    """Money moves once per intent: `billed` counts intents, not requests."""

    def __init__(self, proof_validity: float, base_path: str, clock: Clock) -> None:
        self._proof_validity = proof_validity
        self._base_path = base_path
        self._clock = clock
        self._intents: dict[str, Intent] = {}
        self._settled_at: dict[str, float] = {}
        self._verified = 0
        self._refused: Counter[str] = Counter()
        self._settlements: Counter[str] = Counter()

    def verify(self, key: str, request: VerifyRequest) -> Answer:
        """Always 200: a proof that does not pay is an answer, not an error."""
        try:
            name = _intent_of(request, key)
            intent = self._remembered(name, request)
        except InvalidProofError as error:
            self._refused[error.reason] += 1
            requirement = _requirement(request.network, self._base_path)
            return 200, {
                "valid": False,
                "reason": error.reason,
                "requirement": requirement,
            }
        self._verified += 1
        return 200, {
            "valid": True,
            "settlementIntentId": name,
            "expiresAt": _timestamp(intent.expires_at),
            "reason": None,
        }

    def settle(self, request: SettleRequest) -> Answer:
        """The first settlement decides the answer. Raises ContractError for an intent
        of another resource.
        """
        intent = self._intents.get(request.intent)
        if intent is None:
            return 404, {"ok": False, "error": "intent_not_found"}
        resource = intent.resource_id, intent.network
        if (request.resource_id, request.network) != resource:
            raise ContractError(
                "the intent was verified for another resource or network"
            )
        self._settlements[request.intent] += 1
        settled_at = self._settled_at.setdefault(request.intent, self._clock())
        return 200, {"ok": True, "settledAt": _timestamp(settled_at)}

    def report(self) -> dict[str, Any]:
        """Every count, for `GET /_ledger`."""
        return {
            "verified": self._verified,
            "intents": list(self._intents),
            "refused": dict(self._refused),
            "settlements": dict(self._settlements),
            "billed": len(self._settled_at),
        }

    def _remembered(self, name: str, request: VerifyRequest) -> Intent:
        # The first verification decides when the intent expires.
        now = self._clock()
        expires_at = now + self._proof_validity
        fresh = Intent(request.resource_id, request.network, expires_at)
        intent = self._intents.setdefault(name, fresh)
        if now >= intent.expires_at:
            raise InvalidProofError("expired")
        return intent


def _intent_of(request: VerifyRequest, key: str) -> str:
    # The same proof for the same resource is always the same intent.
    if not request.proof:
        raise InvalidProofError("missing_payment_header")
    for reason in BAD_PROOFS:
        if request.proof.startswith(reason):
            raise InvalidProofError(reason)
    if not key.startswith(TEST_KEY) and not _is_signed(request.proof):
        raise InvalidProofError("invalid_signature")
    # Each part with its length, so that no two requests share their bytes.
    parts = (request.proof, request.network, request.resource_id)
    framed = b"".join(b"%d:%b" % (len(part), part) for part in map(str.encode, parts))
    return f"si_{hashlib.sha256(framed).hexdigest()[:32]}"


def _is_signed(proof: str) -> bool:
    try:
        decoded = json.loads(base64.b64decode(proof, validate=True))
    except (binascii.Error, ValueError):
        return False
    match decoded:
        case {"payload": {"signature": str(signature)}}:
            return signature.startswith("0x")
    return False


def _requirement(network: str, facilitator: str) -> dict[str, Any]:
    return {
        "scheme": "exact",
        "network": network,
        "asset": "USDC",
        "tokenAddress": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        "amountDisplay": "0.01",
        "payTo": "0x0000000000000000000000000000000000000001",
        "facilitator": facilitator,
        "eip712": {"name": "USD Coin", "version": "2"},
    }


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
