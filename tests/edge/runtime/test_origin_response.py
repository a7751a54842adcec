"""From event to returned object and log line, with a real facilitator."""

import copy

import pytest

from edge.runtime.handler import Edge
from edge.runtime.nexflow import NexFlow
from tests.edge.examples import PLENTY, SIGNING, Lambda, settings_for
from tests.edge.runtime.triggers import (
    BROKEN,
    FORWARDED,
    REQUEST_ID,
    TS,
    Captured,
    Handler,
    lines,
)
from tests.support.cloudfront_events import (
    origin_response,
    response_of,
)
from tests.support.scripted_facilitator import ScriptedFacilitator, Step, answer


def test_a_delivered_response_is_settled(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    event = origin_response("/premium/a", "200", headers=FORWARDED)
    expected = copy.deepcopy(response_of(event))
    assert edge(event, PLENTY) == expected
    (asked,) = scripted.asked
    assert asked.path == "/x402/settle"
    assert asked.body == {
        "network": "eip155:84532",
        "settlementIntentId": "intent-1",
        "resourceId": "premium",
        "originStatus": 200,
    }
    assert lines(capsys) == [
        {
            "ts": TS,
            "eventType": "settle",
            "path": "/premium/a",
            "resourceId": "premium",
            "settlementIntentId": "intent-1",
            "originStatus": 200,
            "settled": True,
            "settledAt": "2026-02-07T08:12:34.850Z",
            "latencyMs": 0,
            "requestId": REQUEST_ID,
        }
    ]


@pytest.mark.parametrize(
    "step",
    [*BROKEN, answer(404, {"ok": False, "error": "intent_not_found"})],
)
def test_settle_fails_open(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured, step: Step
) -> None:
    scripted.will(step, step)
    event = origin_response("/api/joke", "201", headers=FORWARDED)
    expected = copy.deepcopy(response_of(event))
    assert edge(event, Lambda(900)) == expected
    (line,) = lines(capsys)
    assert line.pop("error")
    assert line == {
        "ts": TS,
        "eventType": "settle",
        "path": "/api/joke",
        "resourceId": "joke-endpoint",
        "settlementIntentId": "intent-1",
        "originStatus": 201,
        "settled": False,
        "settledAt": None,
        "latencyMs": 0,
        "requestId": REQUEST_ID,
    }


@pytest.mark.parametrize("status", ["304", "307", "404", "503"])
def test_a_response_that_was_not_delivered_is_not_settled(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured, status: str
) -> None:
    event = origin_response("/api/joke", status, headers=FORWARDED)
    assert edge(event, PLENTY) == response_of(event)
    assert scripted.asked == []
    assert lines(capsys) == [
        {
            "ts": TS,
            "eventType": "settle_skipped",
            "path": "/api/joke",
            "settlementIntentId": "intent-1",
            "reason": f"origin returned {status}",
            "originStatus": int(status),
            "requestId": REQUEST_ID,
        }
    ]


def test_below_400_is_the_sellers_choice(scripted: ScriptedFacilitator) -> None:
    settings = settings_for(scripted.url, settle="below-400")
    facilitator = NexFlow(settings)
    event = origin_response(status="307", headers=FORWARDED)
    assert Edge(settings, facilitator)(event, PLENTY) == response_of(event)
    facilitator.close()
    assert scripted.asked[0].body["originStatus"] == 307


def test_a_gated_response_without_an_intent_is_said_by_a_gate_that_signs(
    scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    settings = settings_for(scripted.url, signing=(SIGNING,))
    facilitator = NexFlow(settings)
    event = origin_response("/api/joke", "200")
    assert Edge(settings, facilitator)(event, PLENTY) == response_of(event)
    facilitator.close()
    assert scripted.asked == []
    (line,) = lines(capsys)
    assert line["eventType"] == "settle_skipped"
    assert line["settlementIntentId"] is None
    assert line["reason"] == "no settlement intent in the forwarded request"


@pytest.mark.parametrize(
    ("path", "method"), [("/health", "GET"), ("/api/joke", "OPTIONS"), ("*", "GET")]
)
def test_what_is_not_gated_is_not_settled(
    edge: Handler,
    scripted: ScriptedFacilitator,
    capsys: Captured,
    path: str,
    method: str,
) -> None:
    event = origin_response(path, "200", method, FORWARDED)
    assert edge(event, PLENTY) == response_of(event)
    assert (scripted.asked, lines(capsys)) == ([], [])
