import copy

import pytest

from edge import cloudfront
from tests.support.cloudfront_events import (
    documented,
    origin_response,
    request_of,
    response_of,
    values,
    viewer_request,
)

REQUEST_ID = "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ=="


def test_the_documented_viewer_request_becomes_plain_values() -> None:
    event = documented("viewer-request")
    assert cloudfront.viewer_request(event) == cloudfront.ViewerRequest(
        method="GET",
        path="/",
        headers={
            "host": "d111111abcdef8.cloudfront.net",
            "user-agent": "curl/7.66.0",
            "accept": "*/*",
        },
        forwarded=request_of(event),
        request_id=REQUEST_ID,
    )


def test_the_documented_origin_response_becomes_plain_values() -> None:
    event = documented("origin-response")
    assert cloudfront.origin_response(event) == cloudfront.OriginResponse(
        method="GET", path="/", intent=None, status=200, request_id=REQUEST_ID
    )


def test_what_a_client_forged_is_in_neither_form() -> None:
    event = viewer_request(headers={"X-Settlement-Intent-Id": "forged", "x-mine": "1"})
    before = copy.deepcopy(event)
    request = cloudfront.viewer_request(event)
    assert "x-settlement-intent-id" not in request.headers
    assert "x-settlement-intent-id" not in request.forwarded["headers"]
    assert request.headers["x-mine"] == "1"
    assert event == before


def test_everything_else_of_the_request_is_carried_along() -> None:
    event = viewer_request()
    extra = {"querystring": "a=b", "body": {"data": "x"}, "from the future": [1]}
    request_of(event).update(extra)
    assert cloudfront.viewer_request(event).forwarded == request_of(event)


def test_repeated_lines_are_joined() -> None:
    event = viewer_request()
    request_of(event)["headers"]["accept"].append({"key": "Accept", "value": "x/y"})
    assert cloudfront.viewer_request(event).headers["accept"] == "*/*, x/y"


def test_added_headers_have_cloudfronts_shape_and_replace_their_like() -> None:
    request = request_of(viewer_request(headers={"x-a": "old"}))
    added = cloudfront.with_headers(request, {"x-a": "new", "x-b": "1"})
    assert added["headers"]["x-b"] == [{"key": "x-b", "value": "1"}]
    assert values(added["headers"])["x-a"] == ["new"]
    assert values(request["headers"])["x-a"] == ["old"]


def test_the_intent_comes_from_the_request_the_origin_saw() -> None:
    event = origin_response(headers={"X-Settlement-Intent-Id": "intent-1"})
    assert cloudfront.origin_response(event).intent == "intent-1"


def test_a_repeated_intent_is_none() -> None:
    event = origin_response(headers={"x-settlement-intent-id": "intent-1"})
    lines = request_of(event)["headers"]["x-settlement-intent-id"]
    lines.append({"key": "x-settlement-intent-id", "value": "intent-2"})
    assert cloudfront.origin_response(event).intent is None


@pytest.mark.parametrize("intent", ["", "a b", "a" * 256])
def test_a_malformed_intent_is_none(intent: str) -> None:
    event = origin_response(headers={"x-settlement-intent-id": intent})
    assert cloudfront.origin_response(event).intent is None


@pytest.mark.parametrize("status", ["200", 200])
def test_a_status_is_three_digits(status: object) -> None:
    event = origin_response()
    response_of(event)["status"] = status
    assert cloudfront.origin_response(event).status == 200


@pytest.mark.parametrize(
    "status",
    ["", "20", "2000", "2 0", "+20", "２００", "abc", None, True, -20, 20.0, []],
)
def test_any_other_status_cannot_be_read(status: object) -> None:
    event = origin_response()
    response_of(event)["status"] = status
    assert cloudfront.origin_response(event).status is None


def test_untouched_is_the_response_or_else_the_request_or_else_the_event() -> None:
    response, request = documented("origin-response"), documented("viewer-request")
    assert cloudfront.untouched(response) is response_of(response)
    assert cloudfront.untouched(request) is request_of(request)
    assert cloudfront.untouched({"Records": []}) == {"Records": []}
    assert cloudfront.untouched(None) is None
