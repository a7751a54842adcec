"""What the tests of both triggers share."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.edge.examples import PROOF
from tests.support.scripted_facilitator import (
    VALID,
    Step,
    answer,
    hang,
    hang_up,
    raw,
    reset,
)

Handler = Callable[[Any, Any], Any]
Captured = pytest.CaptureFixture[str]

TS = "2026-02-07T08:12:34.567Z"
REQUEST_ID = "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ=="
PAID = {"x402-payment": PROOF}
FORWARDED = {"x-settlement-intent-id": "intent-1"}
FORGED = {
    "X-Settlement-Intent-Id": "forged",
    "x-settlement-resource-id": "forged",
    "x-settlement-network": "forged",
    "Signature-Input": "forged",
    "signature": "forged",
}
BROKEN: list[Step] = [
    hang_up(),
    reset(),
    hang(),
    raw(200, b"<html>"),
    answer(200, []),
    answer(200, {"valid": 1, "settlementIntentId": "intent-1"}),
    answer(200, {"valid": True}),
    answer(201, VALID),
    answer(401, {"error": "unauthorized"}),
    answer(402, VALID | {"valid": False}),
    answer(429, VALID),
    answer(500, VALID),
]


def lines(captured: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]
