"""Both halves derive the same key from a payment, and refuse the same."""

import json
from base64 import b64encode
from random import Random

import pytest

from edge.runtime.x402 import payment as gate
from origin_middleware.x402 import payment as origin
from tests.support.payments import decoded, encoded, pay, pay_with_permit2
from tests.support.solana_payments import payment, transaction


def pay_with_solana() -> str:
    return encoded(payment(transaction()))


def by_the_gate(header: str) -> str:
    try:
        return gate.read(header).intent or "refused"
    except gate.Unreadable:
        return "refused"


def by_the_origin(header: str) -> str:
    try:
        return origin.payment_id(origin.decode_payment(header.encode()))
    except origin.PaymentMalformed:
        return "refused"


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_that_would_go_out_as_infinity_is_refused(number: str) -> None:
    """Infinity is not JSON: the facilitator could not read the question."""
    members = json.dumps(decoded(pay()) | {"more": [{"x": 0}]})
    finite, odd = (
        b64encode(members.replace('"x": 0', f'"x": {each}').encode()).decode()
        for each in ("1e300", number)
    )
    assert gate.read(finite).intent
    with pytest.raises(gate.Unreadable, match="a number that is too large"):
        gate.read(odd)


@pytest.mark.parametrize("make", [pay, pay_with_permit2, pay_with_solana])
def test_the_gate_and_the_origin_read_alike(make: object) -> None:
    assert callable(make)
    header: str = make()
    assert by_the_gate(header) == by_the_origin(header) != "refused"
    random = Random(402)  # noqa: S311 - repeatable
    for _ in range(500):
        at = random.randrange(len(header))
        damaged = header[:at] + random.choice("Aab0=/+ \n") + header[at + 1 :]
        assert by_the_gate(damaged) == by_the_origin(damaged)
