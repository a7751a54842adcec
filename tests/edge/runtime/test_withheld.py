"""A payment that is refused for certain, and a seller who does not deliver then."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.runtime.handler import Edge
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.commands import build
from tests.edge.examples import PLENTY, SIGNING, Lambda, settings_for
from tests.edge.runtime.triggers import BROKEN, FORWARDED, Captured, Handler, lines
from tests.support.cloudfront_events import origin_response, response_of, values
from tests.support.lambdas import Counted, emulated
from tests.support.scripted_facilitator import VALID, ScriptedFacilitator, Step, answer

ROUTE = '[[route]]\npath = "/api/*"\nnetwork = "eip155:8453"\nresource_id = "api"\n'
NO = answer(402, {"ok": False, "error": "insufficient_funds"})


@pytest.fixture
def settings(scripted: ScriptedFacilitator) -> Settings:
    return settings_for(scripted.url)._replace(refused="withhold")


@pytest.fixture
def edge(settings: Settings) -> Iterator[Handler]:
    facilitator = NexFlow(settings)
    yield Edge(settings, facilitator)
    facilitator.close()


def test_what_is_refused_for_certain_is_not_delivered(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    scripted.will(NO)
    event = origin_response("/api/joke", "200", headers=FORWARDED)
    response = response_of(event)
    response["headers"] |= {
        "set-cookie": [{"key": "Set-Cookie", "value": "secret=1"}],
        "content-encoding": [{"key": "Content-Encoding", "value": "gzip"}],
        "etag": [{"key": "ETag", "value": '"paid"'}],
        "via": [{"key": "Via", "value": "1.1 origin"}],
        "transfer-encoding": [{"key": "Transfer-Encoding", "value": "chunked"}],
    }
    refused = edge(event, PLENTY)
    assert refused["status"] == "402"
    assert json.loads(refused["body"]) == {
        "status": "payment_required",
        "message": "x402 payment required to access this resource.",
        "requirement": None,
        "reason": "insufficient_funds",
    }
    # The last two are read-only: CloudFront answers 502 if they are taken off.
    assert values(refused["headers"]) == {
        "content-type": ["application/json"],
        "cache-control": ["no-store"],
        "via": ["1.1 origin"],
        "transfer-encoding": ["chunked"],
    }
    (line,) = lines(capsys)
    assert (line["settled"], line["originStatus"]) == (False, 200)
    assert line["error"] == "refused: insufficient_funds"


@pytest.mark.parametrize(
    "step",
    [
        *BROKEN,
        answer(400, {"ok": False, "error": "invalid_request"}),
        answer(401, {"ok": False, "error": "unauthorized"}),
        answer(429, {"ok": False, "error": "rate_limited"}),
        answer(500, {"ok": False, "error": "internal_error"}),
        answer(503, {"ok": False, "error": "insufficient_funds"}),
    ],
)
def test_what_is_unknown_is_delivered(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured, step: Step
) -> None:
    scripted.will(step, step)
    event = origin_response("/api/joke", "200", headers=FORWARDED)
    assert edge(event, Lambda(1150)) is response_of(event)
    (line,) = lines(capsys)
    assert line["settled"] is False
    assert not line["error"].startswith("refused")


def test_what_is_settled_and_what_is_not_delivered_goes_out(
    edge: Handler, scripted: ScriptedFacilitator
) -> None:
    for status, step in (("200", None), ("503", NO), ("304", NO)):
        scripted.will(*[step] if step else [])
        event = origin_response("/api/joke", status, headers=FORWARDED)
        assert edge(event, PLENTY) is response_of(event)


def test_by_default_it_is_delivered_and_said(
    scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    """As the published checklist says."""
    settings = settings_for(scripted.url)
    facilitator = NexFlow(settings)
    scripted.will(NO)
    event = origin_response("/api/joke", "200", headers=FORWARDED)
    assert Edge(settings, facilitator)(event, PLENTY) is response_of(event)
    facilitator.close()
    assert lines(capsys)[0]["error"] == "refused: insufficient_funds"


def test_nobody_withholds_a_response_by_an_intent_of_his_own(
    settings: Settings, scripted: ScriptedFacilitator
) -> None:
    """A gate that signs does not ask about it."""
    signs = settings._replace(signing=(SIGNING,))
    facilitator = NexFlow(signs)
    event = origin_response("/api/joke", "200", headers=FORWARDED)
    assert Edge(signs, facilitator)(event, PLENTY) is response_of(event)
    facilitator.close()
    assert scripted.asked == []


def test_a_bug_while_withholding_delivers(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    scripted.will(NO)
    event = origin_response("/api/joke", "200", headers=FORWARDED)
    response_of(event)["headers"] = None
    assert edge(event, PLENTY) is response_of(event)
    assert lines(capsys)[-1]["error"].startswith("TypeError in in_place_of")


def test_cloudfront_takes_what_goes_out_instead(
    scripted: ScriptedFacilitator, tmp_path: Path
) -> None:
    """The bundle, in the emulator, which holds it to AWS's rules."""
    routes, bundle = tmp_path / "routes.toml", tmp_path / "edge.zip"
    routes.write_text(
        'refused = "withhold"\nallowed_origins = ["https://shop.example"]\n' + ROUTE
    )
    environment = {
        "NEXFLOW_FACILITATOR_URL": scripted.url,
        "NEXFLOW_API_KEY": "nf_test_key",
    }
    assert build(bundle, environment, routes) == 0
    asks = {"X402-Payment": "proof", "Origin": "https://shop.example"}
    with emulated(tmp_path, bundle, Counted()) as edge:
        scripted.will(answer(200, VALID), NO)
        refused = edge.client.get("/api/joke", headers=asks)
        paid = edge.client.get("/api/joke", headers=asks)
    assert refused.status_code == 402
    assert refused.json()["reason"] == "insufficient_funds"
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    assert (paid.status_code, paid.text) == (200, "paid content 2")
