"""Event in, answer, calls and log line out: from the zip, to the letter.

What is compared is all there is. A field too many fails as well as one too few.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.build.environment import Secrets
from edge.build.routes_file import RoutesFile
from edge.build.zip import build
from tests.edge.examples import KEY, PLENTY, PROOF, ROUTES
from tests.edge.runtime.from_the_zip import handler_in
from tests.edge.runtime.triggers import PAID, REQUEST_ID, Captured, Handler, lines
from tests.support.cloudfront_events import (
    Event,
    origin_response,
    request_of,
    response_of,
    values,
    viewer_request,
)
from tests.support.scripted_facilitator import (
    SETTLED,
    VALID,
    Asked,
    ScriptedFacilitator,
    Step,
    answer,
    raw,
    wire,
)

TOLD = {
    "x-settlement-intent-id": "intent-1",
    "x-settlement-resource-id": "joke-endpoint",
    "x-settlement-network": "eip155:8453",
}
SHOWN = {"user-agent": "curl/7.66.0", "accept": "*/*"}
JSON = {"content-type": ["application/json"], "cache-control": ["no-store"]}


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedFacilitator]:
    with ScriptedFacilitator() as facilitator:
        yield facilitator


@pytest.fixture(scope="module")
def zipped(
    scripted: ScriptedFacilitator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Handler]:
    file: Path = tmp_path_factory.mktemp("recorded") / "lambda-edge.zip"
    bundle = build(Secrets(scripted.url, KEY), RoutesFile(ROUTES, "delivered"))
    file.write_bytes(bundle.content)
    handler = handler_in(file)
    yield handler
    handler._facilitator.close()


@pytest.fixture
def play(
    zipped: Any,
    scripted: ScriptedFacilitator,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    # On a busy machine an answer may be late, and would be asked for a second time.
    module = type(zipped._facilitator).settle.__globals__
    monkeypatch.setitem(module, "LATE", 1.0)

    def play(event: Event, *steps: Step) -> tuple[Any, list[Asked], list[Any]]:
        scripted.asked.clear()
        scripted.will(*steps)
        zipped._facilitator.close()  # it remembers what an unpaid request was told
        before = copy.deepcopy(event)
        returned = zipped(event, PLENTY)
        assert event == before
        logged = lines(capsys)
        for line in logged:
            assert line.pop("ts").endswith("Z")
            assert type(line.pop("latencyMs", 0)) is int
        return returned, list(scripted.asked), logged

    return play


def verified(valid: bool, has_payment: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "eventType": "verify",
        "path": "/api/joke",
        "resourceId": "joke-endpoint",
        "settlementIntentId": "intent-1" if valid else None,
        "valid": valid,
        "requestId": REQUEST_ID,
        "hasPaymentHeader": has_payment,
        **more,
    }


def settled(at: str | None, status: int = 200, **more: Any) -> dict[str, Any]:
    return {
        "eventType": "settle",
        "path": "/api/joke",
        "resourceId": "joke-endpoint",
        "settlementIntentId": "intent-1",
        "originStatus": status,
        "settled": at is not None,
        "settledAt": at,
        "requestId": REQUEST_ID,
        **more,
    }


def skipped(status: int) -> dict[str, Any]:
    return {
        "eventType": "settle_skipped",
        "path": "/api/joke",
        "settlementIntentId": "intent-1",
        "reason": f"origin returned {status}",
        "originStatus": status,
        "requestId": REQUEST_ID,
    }


def check_call(asked: list[Asked], path: str, body: dict[str, Any]) -> None:
    (call,) = asked
    assert (call.path, call.body) == (path, body)
    assert call.headers["x-facilitator-auth"] == KEY
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/health", "/api", "/api/jokes", "/premiums"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_free(play: Any, method: str, path: str) -> None:
    event = viewer_request(path, method, PAID)
    assert play(event) == (request_of(event), [], [])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])
def test_paid(play: Any, method: str) -> None:
    event = viewer_request("/api/joke", method, PAID | {"Cookie": "a=b"})
    request_of(event).update(querystring="a=1&a=2", body={"data": "eA=="})
    returned, asked, logged = play(event)
    headers = returned.pop("headers")
    assert values(headers) == values(request_of(event)["headers"]) | {
        name: [value] for name, value in TOLD.items()
    }
    assert returned == {k: v for k, v in request_of(event).items() if k != "headers"}
    question = {"network": "eip155:8453", "resourceId": "joke-endpoint"}
    check_call(asked, "/x402/verify", question | {"headers": SHOWN | PAID})
    assert logged == [verified(True)]


@pytest.mark.parametrize("has_payment", [True, False])
@pytest.mark.parametrize("requirement", [None, {"scheme": "exact", "payTo": "0x1"}])
@pytest.mark.parametrize("reason", [None, "missing_payment_header", "expired"])
def test_unpaid(play: Any, reason: Any, requirement: Any, has_payment: bool) -> None:
    event = viewer_request(headers=PAID if has_payment else {})
    said = {"valid": False, "reason": reason, "requirement": requirement}
    returned, asked, logged = play(event, answer(200, said))
    assert (returned["status"], values(returned["headers"])) == ("402", JSON)
    assert json.loads(returned["body"]) == {
        "status": "payment_required",
        "message": "x402 payment required to access this resource.",
        "requirement": requirement,
        "reason": reason,
    }
    assert len(asked) == 1
    assert logged == [verified(False, has_payment)]


UNANSWERABLE = "the facilitator could not be asked: "
MALFORMED = "the answer to verify is malformed"
NO_INTENT = "the answer to verify has no usable settlement intent"


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (answer(400, {"error": "invalid_request", "message": PROOF}), "answered 400"),
        (answer(401, {"error": "unauthorized"}), "verify answered 401"),
        (answer(402, {"valid": False}), "verify answered 402"),
        (answer(429, VALID), "verify answered 429"),
        (answer(500, {"error": "internal_error"}), "verify answered 500"),
        (answer(302, VALID, {"location": "http://127.0.0.1/"}), "answered 302"),
        (answer(201, VALID), "verify answered 201"),
        (raw(200, b"<html>"), MALFORMED),
        (raw(200, b""), MALFORMED),
        (answer(200, [VALID]), MALFORMED),
        (answer(200, VALID | {"valid": "true"}), MALFORMED),
        (answer(200, {"valid": True}), NO_INTENT),
        (answer(200, VALID | {"settlementIntentId": "a b"}), NO_INTENT),
        (answer(200, VALID | {"expiresAt": "soon"}), "cannot be read"),
        (raw(200, b" " * 70_000), UNANSWERABLE + "its answer is too large"),
        (wire(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"), "is cut off"),
    ],
)
def test_cannot_be_told(play: Any, step: Step, error: str) -> None:
    returned, asked, (line,) = play(viewer_request(headers=PAID), step)
    assert (returned["status"], values(returned["headers"])) == ("500", JSON)
    assert json.loads(returned["body"]) == {
        "error": "internal_error",
        "message": "Payment verification unavailable.",
    }
    assert len(asked) == 1
    assert line.pop("error").endswith(error)
    assert line == verified(False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "status",
    [200, 204, 206, 301, 302, 303, 304, 307, 308, 400, 402, 404, 409, 500, 503],
)
def test_settled_or_not(play: Any, method: str, status: int) -> None:
    event = origin_response("/api/joke", str(status), method, TOLD)
    returned, asked, logged = play(event)
    assert returned == response_of(event)
    moved = status in (301, 302) and method == "POST"
    if not (status < 300 or status == 303 or moved):
        assert (asked, logged) == ([], [skipped(status)])
        return
    question = {
        "network": "eip155:8453",
        "settlementIntentId": "intent-1",
        "resourceId": "joke-endpoint",
        "originStatus": status,
    }
    check_call(asked, "/x402/settle", question)
    assert logged == [settled(str(SETTLED["settledAt"]), status)]


@pytest.mark.parametrize(
    ("step", "error", "calls"),
    [
        (answer(401, {"error": "unauthorized"}), "unauthorized", 1),
        (answer(429, {}), "settle answered 429", 1),
        (answer(500, {"error": "internal_error"}), "internal_error", 2),
        (answer(400, {"error": KEY}), "settle answered 400", 1),
        (raw(200, b"<html>"), "the answer to settle is malformed", 1),
        (answer(200, {"ok": 0}), "the answer to settle is malformed", 1),
    ],
)
def test_not_settled(play: Any, step: Step, error: str, calls: int) -> None:
    event = origin_response(headers=TOLD)
    returned, asked, logged = play(event, *[step] * calls)
    assert returned == response_of(event)
    assert [call.path for call in asked] == ["/x402/settle"] * calls
    assert logged == [settled(None, error=error)]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (answer(404, {"ok": False, "error": "intent_not_found"}), "intent_not_found"),
        (
            answer(402, {"ok": False, "error": "insufficient_funds"}),
            "insufficient_funds",
        ),
        (answer(200, {"ok": False}), "settle_refused"),
    ],
)
def test_refused(play: Any, step: Step, error: str) -> None:
    event = origin_response(headers=TOLD)
    returned, asked, logged = play(event, step)
    assert returned == response_of(event)
    assert [call.path for call in asked] == ["/x402/settle"]
    assert logged == [settled(None, error=f"refused: {error}")]
