"""CloudFront's documented events, with the parts a test cares about filled in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DOCUMENTED = Path(__file__).parent / "cloudfront"

Event = dict[str, Any]


def documented(name: str) -> Event:
    """A fresh copy: a trigger that changes its event must not reach the next test."""
    event: Event = json.loads((_DOCUMENTED / f"{name}.json").read_text())
    return event


def viewer_request(
    path: str = "/api/joke",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Event:
    return _with_request(documented("viewer-request"), path, method, headers or {})


def origin_response(
    path: str = "/api/joke",
    status: str = "200",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Event:
    event = _with_request(documented("origin-response"), path, method, headers or {})
    response_of(event)["status"] = status
    return event


def request_of(event: Event) -> Event:
    request: Event = event["Records"][0]["cf"]["request"]
    return request


def response_of(event: Event) -> Event:
    response: Event = event["Records"][0]["cf"]["response"]
    return response


def values(headers: Mapping[str, list[dict[str, str]]]) -> dict[str, list[str]]:
    return {name: [line["value"] for line in lines] for name, lines in headers.items()}


def _with_request(
    event: Event, path: str, method: str, headers: Mapping[str, str]
) -> Event:
    request = request_of(event)
    request["uri"], request["method"] = path, method
    for name, value in headers.items():
        request["headers"][name.lower()] = [{"key": name, "value": value}]
    return event
