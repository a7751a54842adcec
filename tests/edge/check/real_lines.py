"""One line of each sort that the gate writes, from the gate itself."""

import json
from typing import Any

import pytest

from edge.runtime.handler import Edge
from tests.edge.examples import PLENTY
from tests.support.cloudfront_events import origin_response, viewer_request
from tests.support.scripted_facilitator import ScriptedFacilitator, answer

PAID = {"X402-Payment": "proof"}
INTENT = {
    "x-settlement-intent-id": "intent-1",
    "x-settlement-resource-id": "joke-endpoint",
    "x-settlement-network": "eip155:8453",
}
REFUSED = {"valid": False, "reason": "missing_payment_header", "requirement": None}


def real_lines(
    edge: Edge, scripted: ScriptedFacilitator, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    """Verified, unpaid, the same from memory, facilitator down; settled, not settled,
    skipped."""
    down = answer(503, {"error": "internal_error"})
    edge(viewer_request(headers=PAID), PLENTY)
    scripted.will(answer(200, REFUSED), down)
    edge(viewer_request(), PLENTY)
    edge(viewer_request(), PLENTY)
    edge(viewer_request(headers=PAID), PLENTY)
    edge(origin_response(headers=INTENT), PLENTY)
    scripted.will(down, down)
    edge(origin_response(headers=INTENT), PLENTY)
    edge(origin_response(headers=INTENT, status="503"), PLENTY)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
