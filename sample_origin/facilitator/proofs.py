"""What a payment proof is worth, and the intent it stands for. Pure: time is a number.

No chain is asked. A `nf_test_*` key accepts any stub as a proof; a `nf_live_*` key
wants an x402 payload: base64 of a JSON object whose `payload` has a `signature`.
Under either key a proof that begins with the name of a reason is refused for it:
`expired`, `expired-2`, `insufficient_amount`, `invalid_signature`.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TypeAlias

TEST_KEY = "nf_test_"
BAD_PROOFS = ("invalid_signature", "expired", "insufficient_amount")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The proof pays for the resource."""

    intent: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The proof does not pay."""

    reason: str


Verdict: TypeAlias = Accepted | Refused


def judge(proof: str | None, key: str, network: str, resource_id: str) -> Verdict:
    """The same proof for the same resource is always the same intent."""
    if not proof:
        return Refused("missing_payment_header")
    for reason in BAD_PROOFS:
        if proof.startswith(reason):
            return Refused(reason)
    if not key.startswith(TEST_KEY) and not _is_signed(proof):
        return Refused("invalid_signature")
    return Accepted(_intent(proof, network, resource_id))


def _intent(*parts: str) -> str:
    # Each part with its length, so that no two requests run together.
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
