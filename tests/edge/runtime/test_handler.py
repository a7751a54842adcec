"""Other events, bugs, time and secrets."""

from typing import Any

import pytest

from edge.runtime.handler import Edge, bundled
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.examples import KEY, NOW, PLENTY, PROOF, Lambda
from tests.edge.runtime.triggers import (
    FORWARDED,
    PAID,
    REQUEST_ID,
    TS,
    Captured,
    Handler,
    lines,
)
from tests.support.cloudfront_events import (
    Event,
    documented,
    origin_response,
    request_of,
    response_of,
    viewer_request,
)
from tests.support.scripted_facilitator import ScriptedFacilitator, answer


@pytest.mark.parametrize("name", ["viewer-request", "origin-response"])
@pytest.mark.parametrize("kind", ["origin-request", "viewer-response", None, 1, []])
def test_any_other_event_is_passed_through(
    edge: Handler, scripted: ScriptedFacilitator, name: str, kind: object
) -> None:
    event = documented(name)
    event["Records"][0]["cf"]["config"]["eventType"] = kind
    part = request_of(event) if name == "viewer-request" else response_of(event)
    assert edge(event, PLENTY) is part
    assert scripted.asked == []


@pytest.mark.parametrize("event", [None, {}, [], "x", 1, {"Records": []}, {"a": 1}])
def test_what_is_no_event_comes_back(edge: Handler, event: object) -> None:
    assert edge(event, PLENTY) == event


def broken(event: Event) -> Event:
    request_of(event)["headers"] = [PROOF]
    return event


def test_a_bug_on_viewer_request_fails_closed(edge: Handler, capsys: Captured) -> None:
    refused = edge(broken(viewer_request("/api/joke")), PLENTY)
    assert refused["status"] == "500"
    (line,) = lines(capsys)
    assert line.pop("error").startswith("AttributeError in without_contract_headers")
    assert line == {
        "ts": TS,
        "eventType": "verify",
        "path": "/api/joke",
        "resourceId": None,
        "settlementIntentId": None,
        "valid": False,
        "latencyMs": 0,
        "requestId": REQUEST_ID,
        "hasPaymentHeader": False,
    }


def test_a_bug_on_origin_response_fails_open(edge: Handler, capsys: Captured) -> None:
    event = broken(origin_response("/api/joke"))
    assert edge(event, PLENTY) is response_of(event)
    (line,) = lines(capsys)
    assert line.pop("error").startswith("AttributeError in _joined_lines")
    assert line == {
        "ts": TS,
        "eventType": "settle",
        "path": "/api/joke",
        "resourceId": None,
        "settlementIntentId": None,
        "originStatus": None,
        "settled": False,
        "settledAt": None,
        "latencyMs": 0,
        "requestId": REQUEST_ID,
    }


def test_a_closed_standard_output_costs_nobody_a_response(
    edge: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    event = origin_response(headers=FORWARDED)
    assert edge(event, PLENTY) == response_of(event)
    assert "headers" in edge(viewer_request(headers=PAID), PLENTY)


def test_without_settings_both_triggers_still_answer(capsys: Captured) -> None:
    """There is no settings.json beside the sources."""
    handler = bundled()
    assert handler(viewer_request(), PLENTY)["status"] == "500"
    event = origin_response()
    assert handler(event, PLENTY) is response_of(event)
    error = "settings.json is not in the bundle: build it again"
    assert [line["error"] for line in lines(capsys)] == [error, error]


def test_settings_that_are_no_settings_at_all_still_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Whatever goes wrong while Lambda initialises, free paths included."""

    def read() -> Settings:
        raise MemoryError

    monkeypatch.setattr("edge.runtime.handler.read", read)
    handler = bundled()
    event = origin_response()
    assert handler(event, PLENTY) is response_of(event)
    assert handler({"a": 1}, PLENTY) == {"a": 1}
    assert lines(capsys)[0]["error"].startswith("MemoryError in read")


class Impatient(NexFlow):
    """Notes how long it was given."""

    given: list[float]

    def verify(self, *arguments: Any) -> Any:
        self.given.append(arguments[-1])
        return super().verify(*arguments)

    def settle(self, *arguments: Any) -> Any:
        self.given.append(arguments[-1])
        return super().settle(*arguments)


@pytest.mark.parametrize(
    ("context", "seconds"),
    [
        (Lambda(5000), 2.5),
        (Lambda(3250), 2.5),
        (Lambda(3000), 2.25),
        (Lambda(1000), 0.25),
        (Lambda(750), 0.0),
        (Lambda(0), -0.75),
        (None, 2.5),
    ],
)
def test_a_call_ends_before_the_trigger_does(
    settings: Settings, context: Lambda | None, seconds: float
) -> None:
    facilitator = Impatient(settings)
    facilitator.given = []
    edge = Edge(settings, facilitator)
    edge(viewer_request(headers=PAID), context)
    edge(origin_response(headers=FORWARDED), context)
    facilitator.close()
    assert facilitator.given == [pytest.approx(seconds)] * 2


def test_a_trigger_without_time_fails_closed_and_open(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    assert edge(viewer_request(headers=PAID), Lambda(700))["status"] == "500"
    event = origin_response(headers=FORWARDED)
    assert edge(event, Lambda(700)) == response_of(event)
    assert scripted.asked == []
    late = "the facilitator did not answer in time"
    assert [line["error"] for line in lines(capsys)] == [late, late]


def test_latency_is_in_milliseconds(
    settings: Settings, facilitator: NexFlow, capsys: Captured
) -> None:
    ticks = iter([10.0, 10.0874])
    edge = Edge(settings, facilitator, now=lambda: NOW, clock=lambda: next(ticks))
    edge(viewer_request(headers=PAID), PLENTY)
    assert lines(capsys)[0]["latencyMs"] == 87


def test_neither_the_key_nor_the_proof_is_logged(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    echo = {"error": PROOF, "message": KEY, "reason": PROOF, "settledAt": PROOF}
    for body in (echo, echo | {"valid": False}, echo | {"ok": True}):
        for status in (200, 400, 500):
            scripted.will(answer(status, body), answer(status, body))
            edge(viewer_request(headers=PAID), PLENTY)
            edge(origin_response(headers=FORWARDED | PAID), PLENTY)
    written = capsys.readouterr()
    assert PROOF not in written.out + written.err
    assert KEY not in written.out + written.err
