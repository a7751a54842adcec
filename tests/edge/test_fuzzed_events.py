"""Thousands of damaged events: none makes a trigger raise or reveals a secret."""

import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.facilitator import Facilitator
from edge.handler import Edge
from tests.edge.examples import KEY, PLENTY, PROOF, settings_for
from tests.support.cloudfront_events import Event, origin_response, viewer_request
from tests.support.scripted_facilitator import ScriptedFacilitator

FIELDS = {
    "verify": {
        *("ts", "eventType", "path", "resourceId", "settlementIntentId", "valid"),
        *("latencyMs", "requestId", "hasPaymentHeader"),
    },
    "settle": {
        *("ts", "eventType", "path", "resourceId", "settlementIntentId"),
        *("originStatus", "settled", "settledAt", "latencyMs", "requestId"),
    },
    "settle_skipped": {
        *("ts", "eventType", "path", "settlementIntentId", "reason"),
        *("originStatus", "requestId"),
    },
}
MAKERS: list[Callable[..., Event]] = [viewer_request, origin_response]
REPLACEMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["200", "307", "/api/joke", "/%61pi/joke", "OPTIONS", "\ud800"])
    | st.sampled_from(["viewer-request", "origin-response", "viewer-response"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=3) | st.just("value"), inner, max_size=2)
    ),
    max_leaves=4,
)
HEADERS = {
    "x402-payment": PROOF,
    "x-settlement-intent-id": "intent-1",
    "authorization": f"Bearer {PROOF}",
}


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with ScriptedFacilitator() as scripted:
        settings = settings_for(scripted.url)
        facilitator = Facilitator(settings)
        yield Edge(settings, facilitator)
        facilitator.close()


def places(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in an event where something else could be."""
    keys = list(part) if isinstance(part, dict) else range(len(part))
    for key in keys:
        yield part, key
        if isinstance(part[key], dict | list):
            yield from places(part[key])


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    make = draw(st.sampled_from(MAKERS))
    path = draw(st.sampled_from(["/api/joke", "/premium/x", "/health", "/API/joke"]))
    event = make(path, headers=HEADERS)
    for _ in range(draw(st.integers(0, 2))):
        parent, key = draw(st.sampled_from(list(places(event))))
        if draw(st.booleans()):
            parent[key] = draw(REPLACEMENTS)
        else:
            del parent[key]
        if not event:
            break
    return event


@settings(max_examples=3000, deadline=None)
@given(damaged() | REPLACEMENTS)
def test_a_damaged_event_is_answered_and_reveals_nothing(
    edge: Edge, event: Any
) -> None:
    written = StringIO()
    with redirect_stdout(written), redirect_stderr(written):
        edge(event, PLENTY)
    assert PROOF not in written.getvalue()
    assert KEY not in written.getvalue()
    for line in map(json.loads, written.getvalue().splitlines()):
        assert set(line) - {"error"} == FIELDS[line["eventType"]]
