"""A gate with a secret: from event to returned object, call and log line."""

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from edge.runtime.handler import Edge
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from origin_middleware.signature import Distrust, verify
from tests.edge.examples import NOW, PLENTY, SECRET, SIGNING, settings_for
from tests.edge.runtime.triggers import (
    FORGED,
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
    origin_response,
    request_of,
    response_of,
    values,
    viewer_request,
)
from tests.support.scripted_facilitator import VALID, ScriptedFacilitator, answer

MISSING = "the signature is missing"
WRONG = "the signature does not fit the request"
SIGNED_BY_CLIENT = FORGED | {"signature-input": 'settlement=();keyid="2026-02"'}


@pytest.fixture
def settings(scripted: ScriptedFacilitator) -> Settings:
    return settings_for(scripted.url, signing=(SIGNING,))


def forwarded(edge: Handler, path: str = "/api/joke", method: str = "GET") -> Event:
    event = viewer_request(path, method, PAID)
    request_of(event)["querystring"] = "a=1&b=%20"
    returned: Event = edge(event, PLENTY)
    return returned


def delivered(request: Event, status: str = "200") -> Event:
    """The origin's answer to it."""
    event = origin_response(status=status)
    event["Records"][0]["cf"]["request"] = copy.deepcopy(request)
    return event


def test_a_paid_request_is_forwarded_signed(edge: Handler) -> None:
    headers = values(forwarded(edge)["headers"])
    (stated,), (signature,) = headers["signature-input"], headers["signature"]
    assert stated == (
        'settlement=("@method" "@path" "@query" "x-settlement-intent-id"'
        ' "x-settlement-resource-id" "x-settlement-network")'
        ';created=1770451954;expires=1770452554;keyid="2026-02"'
    )
    assert signature.startswith("settlement=:")


def test_what_was_forwarded_is_settled(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    event = delivered(forwarded(edge))
    untouched = copy.deepcopy(response_of(event))
    assert edge(event, PLENTY) == untouched
    assert [asked.path for asked in scripted.asked] == ["/x402/verify", "/x402/settle"]
    assert lines(capsys)[-1]["settled"] is True


@pytest.mark.parametrize("age", [601, 86_400])
def test_a_slow_origin_is_paid_for_what_it_delivered(
    settings: Settings, facilitator: NexFlow, capsys: Captured, age: int
) -> None:
    request = forwarded(Edge(settings, facilitator, now=lambda: NOW))
    Edge(settings, facilitator, now=lambda: NOW + age)(delivered(request), PLENTY)
    assert lines(capsys)[-1]["settled"] is True


def test_an_intent_that_nobody_signed_is_not_settled(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    event = origin_response("/api/joke", "200", headers=FORWARDED)
    untouched = copy.deepcopy(response_of(event))
    assert edge(event, PLENTY) == untouched
    assert scripted.asked == []
    assert lines(capsys) == [
        {
            "ts": TS,
            "eventType": "settle_skipped",
            "path": "/api/joke",
            "settlementIntentId": "intent-1",
            "reason": MISSING,
            "originStatus": 200,
            "requestId": REQUEST_ID,
        }
    ]


def altered(request: Event) -> Iterator[Event]:
    """The request with one thing changed, each in turn."""
    for change in ({"method": "POST"}, {"uri": "/premium/x"}, {"querystring": ""}):
        yield {**request, **change}
    for name in ("intent-id", "resource-id", "network"):
        line = [{"key": name, "value": "other"}]
        headers = {**request["headers"], f"x-settlement-{name}": line}
        yield {**request, "headers": headers}
    for name in ("signature-input", "signature"):
        headers = {**request["headers"], name: request["headers"][name] * 2}
        yield {**request, "headers": headers}


def test_a_signature_of_another_request_settles_nothing(
    edge: Handler, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    for number, request in enumerate(altered(forwarded(edge)), 1):
        event = delivered(request)
        assert edge(event, PLENTY) == response_of(event)
        assert lines(capsys)[-1]["reason"] == WRONG, number
    assert [asked.path for asked in scripted.asked] == ["/x402/verify"]


def test_what_was_not_delivered_is_skipped_for_that_reason(
    edge: Handler, capsys: Captured
) -> None:
    """As before. Whether it was signed makes no difference then."""
    edge(delivered(forwarded(edge), "503"), PLENTY)
    edge(origin_response("/api/joke", "401", headers=FORWARDED), PLENTY)
    reasons = [line["reason"] for line in lines(capsys)[1:]]
    assert reasons == ["origin returned 503", "origin returned 401"]


def test_while_a_secret_is_rotated_every_version_settles_what_any_has_signed(
    settings: Settings, facilitator: NexFlow, capsys: Captured
) -> None:
    old, new = SIGNING, SIGNING._replace(id="2026-03", secret=SECRET[::-1].encode())

    def version(*keys: Any) -> Edge:
        return Edge(settings._replace(signing=keys), facilitator)

    steps = [version(old), version(old, new), version(new, old), version(new)]
    for before, after in pairwise(steps):
        for signs in (before, after):
            request = forwarded(signs)
            for checks in (before, after):
                checks(delivered(request), PLENTY)
                assert lines(capsys)[-1]["settled"] is True


@pytest.mark.parametrize("path", ["/", "/health", "/api/joke"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_no_signature_of_a_clients_is_forwarded(
    edge: Handler, path: str, method: str
) -> None:
    headers = SIGNED_BY_CLIENT | PAID
    request = edge(viewer_request(path, method, headers), PLENTY)
    text = json.dumps(request)
    assert "forged" not in text
    assert "settlement=()" not in text
    is_gated = path == "/api/joke" and method != "OPTIONS"
    assert ("signature" in request["headers"]) == is_gated


def test_the_secret_is_in_no_header_and_no_log_line(
    edge: Handler, capsys: Captured
) -> None:
    request = forwarded(edge)
    edge(delivered(request), PLENTY)
    edge(origin_response(headers=FORWARDED | SIGNED_BY_CLIENT), PLENTY)
    written = capsys.readouterr()
    assert "SIGNINGSECRET" not in json.dumps(request) + written.out + written.err


@pytest.mark.parametrize(
    ("lifetime", "expires"), [(20, 20), (599, 599), (3_600, 600), (None, 600)]
)
def test_a_signature_never_outlives_its_intent(
    edge: Handler,
    scripted: ScriptedFacilitator,
    lifetime: int | None,
    expires: int,
) -> None:
    until = NOW + lifetime if lifetime else None
    scripted.will(answer(200, VALID | {"expiresAt": until}))
    (stated,) = values(forwarded(edge)["headers"])["signature-input"]
    assert f";created={int(NOW)};expires={int(NOW) + expires};" in stated


SIGNED_URL = (
    "a=1&Expires=1767290400&b=%20&Signature=x~y-z_&Key-Pair-Id=K2JC&b=2",
    "Policy=eyJ&a=1&b=%20&Signature=x&Key-Pair-Id=K2JC&b=2",
    "a=1&b=%20&b=2&Expires=1&Signature=x&Key-Pair-Id=K2JC&Hash-Algorithm=SHA256",
)


@pytest.mark.parametrize("query", SIGNED_URL)
def test_the_signature_of_a_signed_url_is_that_of_what_the_origin_gets(
    edge: Handler, capsys: Captured, query: str
) -> None:
    """CloudFront takes its own parameters off, where a behaviour has key groups."""
    event = viewer_request("/api/joke", headers=PAID)
    request_of(event)["querystring"] = query
    request = edge(event, PLENTY)
    assert request["querystring"] == query
    scope = {
        "method": "GET",
        "path": "/api/joke",
        "query_string": b"a=1&b=%20&b=2",
        "headers": [
            (name.encode(), line["value"].encode())
            for name, entries in request["headers"].items()
            for line in entries
        ],
    }
    verdict = verify(scope, {SIGNING.id: SIGNING.secret}, NOW, 0)
    assert not isinstance(verdict, Distrust)
    for seen in (query, "a=1&b=%20&b=2"):
        edge(delivered({**request, "querystring": seen}), PLENTY)
        assert lines(capsys)[-1]["settled"] is True


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("Expires=1&a=1", "a=1"),
        ("a=1&Policy=p", "a=1"),
        ("Signature=s&Expires=1", ""),
        ("key-pair-id=1&Expires=1", "key-pair-id=1"),
        ("a=Key-Pair-Id&Expires=1", "a=Key-Pair-Id"),
        ("Key-Pair-Id2=1&Expires=1", "Key-Pair-Id2=1"),
    ],
)
def test_an_applications_own_parameters_are_signed(
    edge: Handler, capsys: Captured, query: str, seen: str
) -> None:
    """They reach the origin: without key groups CloudFront leaves them alone."""
    event = viewer_request("/api/joke", headers=PAID)
    request_of(event)["querystring"] = query
    request = edge(event, PLENTY)
    edge(delivered({**request, "querystring": seen}), PLENTY)
    assert lines(capsys)[-1]["reason"] == WRONG
