"""From event to returned object and log line, with a real facilitator."""

import copy
import json

import pytest

from tests.edge.examples import PLENTY, Lambda
from tests.edge.runtime.triggers import (
    BROKEN,
    FORGED,
    PAID,
    REQUEST_ID,
    TS,
    Captured,
    Handler,
    lines,
)
from tests.support.cloudfront_events import (
    request_of,
    values,
    viewer_request,
)
from tests.support.scripted_facilitator import ScriptedFacilitator, Step, answer


def test_a_paid_request_is_forwarded_with_the_contract_headers(
    edge: Handler, capsys: Captured
) -> None:
    event = viewer_request("/api/joke", headers=PAID)
    expected = copy.deepcopy(request_of(event))
    forwarded = edge(event, PLENTY)
    added = {
        name: forwarded["headers"].pop(name) for name in list(forwarded["headers"])[-3:]
    }
    assert values(added) == {
        "x-settlement-intent-id": ["intent-1"],
        "x-settlement-resource-id": ["joke-endpoint"],
        "x-settlement-network": ["eip155:8453"],
    }
    assert forwarded == expected
    assert lines(capsys) == [
        {
            "ts": TS,
            "eventType": "verify",
            "path": "/api/joke",
            "resourceId": "joke-endpoint",
            "settlementIntentId": "intent-1",
            "valid": True,
            "latencyMs": 0,
            "requestId": REQUEST_ID,
            "hasPaymentHeader": True,
        }
    ]


def test_an_unpaid_request_is_told_what_to_pay(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    requirement = {"scheme": "exact", "amountDisplay": "0.01"}
    reason = "missing_payment_header"
    invalid = {"valid": False, "reason": reason, "requirement": requirement}
    scripted.will(answer(200, invalid))
    refused = edge(viewer_request("/api/joke"), PLENTY)
    assert refused["status"] == "402"
    assert json.loads(refused["body"])["requirement"] == requirement
    assert json.loads(refused["body"])["reason"] == reason
    assert lines(capsys) == [
        {
            "ts": TS,
            "eventType": "verify",
            "path": "/api/joke",
            "resourceId": "joke-endpoint",
            "settlementIntentId": None,
            "valid": False,
            "latencyMs": 0,
            "requestId": REQUEST_ID,
            "hasPaymentHeader": False,
        }
    ]


@pytest.mark.parametrize("step", BROKEN)
def test_verify_fails_closed(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured, step: Step
) -> None:
    scripted.will(step)
    refused = edge(viewer_request("/api/joke", headers=PAID), Lambda(900))
    assert refused["status"] == "500"
    (line,) = lines(capsys)
    assert line.pop("error")
    assert line == {
        "ts": TS,
        "eventType": "verify",
        "path": "/api/joke",
        "resourceId": "joke-endpoint",
        "settlementIntentId": None,
        "valid": False,
        "latencyMs": 0,
        "requestId": REQUEST_ID,
        "hasPaymentHeader": True,
    }


@pytest.mark.parametrize("path", ["/", "/health", "/api/jokes"])
def test_a_free_request_is_forwarded_unseen(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured, path: str
) -> None:
    event = viewer_request(path, headers=PAID)
    assert edge(event, PLENTY) == request_of(event)
    assert (scripted.asked, lines(capsys)) == ([], [])


def test_a_preflight_is_forwarded_unseen(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    event = viewer_request("/api/joke", method="OPTIONS")
    assert edge(event, PLENTY) == request_of(event)
    assert (scripted.asked, lines(capsys)) == ([], [])


def test_an_ambiguous_path_is_refused_unseen(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    refused = edge(viewer_request("/api/%6Aoke", headers=PAID), PLENTY)
    assert refused["status"] == "400"
    assert (scripted.asked, lines(capsys)) == ([], [])


def test_a_websocket_on_a_gated_path_is_refused_unseen(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    opening = PAID | {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    refused = edge(viewer_request("/api/joke", headers=opening), PLENTY)
    assert refused["status"] == "400"
    assert "WebSocket" in refused["body"]
    assert (scripted.asked, lines(capsys)) == ([], [])
    free = viewer_request("/health", headers=opening)
    assert edge(free, PLENTY) == request_of(free)


@pytest.mark.parametrize("path", ["/", "/health", "/api/jokes"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_forged_contract_headers_go_from_free_requests(
    edge: Handler, path: str, method: str
) -> None:
    forwarded = edge(viewer_request(path, method, FORGED | {"x-mine": "1"}), PLENTY)
    assert values(forwarded["headers"])["x-mine"] == ["1"]
    assert "forged" not in json.dumps(forwarded)


def test_forged_contract_headers_go_from_preflights_on_gated_paths(
    edge: Handler,
) -> None:
    forwarded = edge(viewer_request("/api/joke", "OPTIONS", FORGED), PLENTY)
    assert "forged" not in json.dumps(forwarded)


def test_forged_contract_headers_go_from_gated_requests(
    edge: Handler, scripted: ScriptedFacilitator
) -> None:
    event = viewer_request("/api/joke", headers=FORGED | PAID)
    headers = request_of(event)["headers"]
    headers["X-SETTLEMENT-INTENT-ID"] = headers["x-settlement-intent-id"]
    forwarded = edge(event, PLENTY)
    assert forwarded["headers"]["x-settlement-intent-id"] == [
        {"key": "x-settlement-intent-id", "value": "intent-1"}
    ]
    assert "forged" not in json.dumps(forwarded)
    assert "forged" not in json.dumps(scripted.asked)


def test_the_rest_of_what_was_shown_to_verify_stays_with_the_origin(
    edge: Handler, scripted: ScriptedFacilitator
) -> None:
    secret = {"cookie": "session=1", "authorization": "Bearer x"}
    forwarded = edge(viewer_request(headers=PAID | secret), PLENTY)
    assert values(forwarded["headers"])["cookie"] == ["session=1"]
    assert set(scripted.asked[0].body["headers"]) == {
        "x402-payment",
        "user-agent",
        "accept",
    }
