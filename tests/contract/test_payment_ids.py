"""What names an x402 payment, spelled out: `x402_` and the SHA-256 of the parts that
the chain uses up, each behind its length in four bytes. Both halves derive it.
"""

import hashlib
from collections.abc import Callable

import pytest

from edge.runtime.x402 import payment as at_the_gate
from origin_middleware.x402.payment import decode_payment, payment_id
from tests.support import solana_payments as solana
from tests.support.payments import (
    NETWORK,
    USDC,
    Json,
    decoded,
    encoded,
    pay,
    pay_with_permit2,
)

Parts = list[str | bytes]


def eip3009() -> tuple[Json, Parts]:
    payment = decoded(pay())
    signed = payment["payload"]["authorization"]
    return payment, ["eip3009", NETWORK, USDC, signed["from"], signed["nonce"]]


def permit2() -> tuple[Json, Parts]:
    payment = decoded(pay_with_permit2())
    signed = payment["payload"]["permit2Authorization"]
    return payment, ["permit2", NETWORK, signed["from"], signed["nonce"]]


def svm() -> tuple[Json, Parts]:
    signed = solana.transaction()
    message = signed[1 + 2 * 64 :]  # behind two signatures, and their count
    return solana.payment(signed), [b"svm", solana.NETWORK.encode(), message]


def named(parts: Parts) -> str:
    """Text in lower case: hexadecimal digits may be written in either."""
    told = [part.lower().encode() if isinstance(part, str) else part for part in parts]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in told)
    return f"x402_{hashlib.sha256(framed).hexdigest()}"


@pytest.mark.parametrize("method", [eip3009, permit2, svm])
def test_a_payment_has_the_same_name_everywhere(
    method: Callable[[], tuple[Json, Parts]],
) -> None:
    payment, parts = method()
    header = encoded(payment)
    at_the_origin = payment_id(decode_payment(header.encode()))
    assert at_the_origin == at_the_gate.read(header).intent == named(parts)
