"""Whether a page of another origin can read what the gate says to it."""

import json
from typing import Any

import pytest

from edge.runtime import refusal
from edge.runtime.handler import Edge
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.examples import PLENTY, Lambda, settings_for
from tests.edge.runtime.triggers import FORWARDED, PAID
from tests.support.cloudfront_events import (
    Event,
    origin_response,
    request_of,
    response_of,
    values,
    viewer_request,
)
from tests.support.scripted_facilitator import ScriptedFacilitator, answer

SHOP, OTHER = "https://shop.example", "https://other.example"
UNPAID = answer(200, {"valid": False, "reason": "missing_payment_header"})
EXPOSED = ["payment-required, payment-response, retry-after, x-amz-cf-id"]


def broken(event: Event) -> Event:
    request_of(event)["method"] = None
    return event


def own_answers(scripted: ScriptedFacilitator, settings: Settings, page: str) -> Any:
    """Every answer that the gate makes itself, by its status and kind."""
    facilitator = NexFlow(settings)
    edge = Edge(settings, facilitator)
    asks = {"Origin": page}
    opening = asks | {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    scripted.will(UNPAID)
    yield edge(viewer_request("/api/joke", headers=asks), PLENTY)
    yield edge(viewer_request("/api/%6Aoke", headers=asks), PLENTY)
    yield edge(viewer_request("/api/joke", headers=opening), PLENTY)
    yield edge(viewer_request("/api/joke", headers=asks | PAID), Lambda(0))
    yield edge(broken(viewer_request("/api/joke", headers=asks)), PLENTY)
    scripted.will(answer(402, {"ok": False, "error": "insufficient_funds"}))
    yield edge(origin_response("/api/joke", headers=asks | FORWARDED), PLENTY)
    facilitator.close()


def answered(
    scripted: ScriptedFacilitator, allowed: tuple[str, ...], page: str
) -> list[dict[str, list[str]]]:
    settings = settings_for(scripted.url)._replace(
        allowed_origins=allowed, refused="withhold"
    )
    answers = list(own_answers(scripted, settings, page))
    statuses = [each["status"] for each in answers]
    assert statuses == ["402", "400", "400", "500", "500", "402"]
    return [values(each["headers"]) for each in answers]


@pytest.mark.parametrize("allowed", [(SHOP,), (OTHER, SHOP)])
def test_a_page_that_is_allowed_can_read_every_answer(
    scripted: ScriptedFacilitator, allowed: tuple[str, ...]
) -> None:
    for headers in answered(scripted, allowed, SHOP):
        assert headers["access-control-allow-origin"] == [SHOP]
        assert headers["access-control-expose-headers"] == EXPOSED
        assert headers["vary"] == ["Origin"]


def test_every_page_can_where_all_are_allowed(scripted: ScriptedFacilitator) -> None:
    for headers in answered(scripted, ("*",), SHOP):
        assert headers["access-control-allow-origin"] == ["*"]
        assert headers["access-control-expose-headers"] == EXPOSED
        assert "vary" not in headers


@pytest.mark.parametrize(
    "page", [OTHER, "https://shop.example.evil.org", SHOP.upper(), "null", "*", ""]
)
def test_a_page_that_is_not_allowed_cannot(
    scripted: ScriptedFacilitator, page: str
) -> None:
    for headers in answered(scripted, (SHOP,), page):
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["vary"] == ["Origin"]


def test_without_the_setting_nothing_is_said(scripted: ScriptedFacilitator) -> None:
    for headers in answered(scripted, (), SHOP):
        assert not {"access-control-allow-origin", "vary"} & set(headers)


def test_a_client_that_is_no_page_gets_no_origin() -> None:
    assert refusal.cors((SHOP,), None) == {"Vary": "Origin"}


def test_what_the_origin_answers_is_its_own(
    scripted: ScriptedFacilitator,
) -> None:
    settings = settings_for(scripted.url)._replace(allowed_origins=("*",))
    facilitator = NexFlow(settings)
    event = origin_response("/api/joke", headers=FORWARDED | {"Origin": SHOP})
    assert Edge(settings, facilitator)(event, PLENTY) is response_of(event)
    facilitator.close()


def test_the_largest_requirement_still_fits_beside_them() -> None:
    cors = refusal.cors((SHOP,), SHOP)
    for size in range(39_000, 40_000, 20):
        answer = refusal.payment_required(None, {"a": "x" * size}, cors)
        assert len(json.dumps(answer)) <= refusal.LARGEST_RESPONSE
