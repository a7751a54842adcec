"""From event to returned object and log line, with a real facilitator."""

import copy
import json

import pytest

from edge.runtime.gate import Lifetime
from edge.runtime.handler import Edge
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.examples import NOW, PLENTY, Lambda
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
from tests.support.scripted_facilitator import (
    VALID,
    ScriptedFacilitator,
    Step,
    answer,
)


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


OVERRIDES = {
    "X-HTTP-Method-Override": "DELETE",
    "x-http-method": "DELETE",
    "X-Method-Override": "DELETE",
    "x_http_method_override": "DELETE",
    "X-Original-URL": "/DELETE",
    "x-rewrite-url": "/DELETE",
    "X_Rewrite-URL": "/DELETE",
    "X-Original-URI": "/DELETE",
    "X-Forwarded-Uri": "/DELETE",
    "X-Forwarded-Prefix": "/DELETE",
    "X-Script-Name": "/DELETE",
    "SCRIPT_NAME": "/DELETE",
    "PATH_INFO": "/DELETE",
}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_method_and_another_path_go_from_gated_requests(
    edge: Handler, method: str
) -> None:
    headers = OVERRIDES | PAID | {"x-mine": "1"}
    forwarded = edge(viewer_request("/api/joke", method, headers), PLENTY)
    assert "DELETE" not in json.dumps(forwarded)
    assert values(forwarded["headers"])["x-mine"] == ["1"]


def test_another_path_goes_from_free_requests(edge: Handler) -> None:
    """Or a free path would be the way to a paid one. Another method is the origin's."""
    forwarded = edge(viewer_request("/health", headers=OVERRIDES), PLENTY)
    assert "/DELETE" not in json.dumps(forwarded)
    assert values(forwarded["headers"])["x-http-method-override"] == ["DELETE"]


@pytest.mark.parametrize(
    ("seconds", "reason"), [(1, "expires_too_soon"), (86_400, "expires_too_late")]
)
def test_an_intent_of_the_wrong_lifetime_is_told_so(
    edge: Handler,
    scripted: ScriptedFacilitator,
    capsys: Captured,
    seconds: int,
    reason: str,
) -> None:
    scripted.will(answer(200, VALID | {"expiresAt": NOW + seconds}))
    refused = edge(viewer_request("/api/joke", headers=PAID), PLENTY)
    assert refused["status"] == "402"
    assert json.loads(refused["body"]) == {
        "status": "payment_required",
        "message": "x402 payment required to access this resource.",
        "requirement": None,
        "reason": reason,
    }
    (line,) = lines(capsys)
    assert (line["valid"], line["settlementIntentId"]) == (False, None)
    assert "error" not in line


def test_the_seller_chooses_the_lifetime(
    settings: Settings, scripted: ScriptedFacilitator
) -> None:
    chosen = settings._replace(lifetime=Lifetime(shortest=0, longest=1e6))
    facilitator = NexFlow(chosen)
    edge = Edge(chosen, facilitator, now=lambda: NOW)
    for seconds in (1, 86_400):
        scripted.will(answer(200, VALID | {"expiresAt": NOW + seconds}))
        assert "status" not in edge(viewer_request(headers=PAID), PLENTY)
    facilitator.close()


def test_a_payment_passes_after_any_number_of_unpaid_requests(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    """They must not use up the facilitator's rate limit."""
    invalid = {"valid": False, "reason": "missing_payment_header"}
    scripted.will(answer(200, invalid))
    for _ in range(50):
        assert edge(viewer_request("/api/joke"), PLENTY)["status"] == "402"
    assert "status" not in edge(viewer_request("/api/joke", headers=PAID), PLENTY)
    assert len(scripted.asked) == 2
    said = lines(capsys)
    assert [line["hasPaymentHeader"] for line in said] == [*[False] * 50, True]
