import copy

import pytest

from edge.runtime import cloudfront
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
        query="",
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
    response = cloudfront.origin_response(event)
    assert response._replace(headers={}) == cloudfront.OriginResponse(
        method="GET",
        path="/",
        query="",
        headers={},
        status=200,
        request_id=REQUEST_ID,
    )
    assert response.headers["x-forwarded-for"] == "203.0.113.178"


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


def test_of_repeated_lines_the_first_is_shown_to_verify() -> None:
    event = viewer_request(headers={"x402-payment": "first"})
    lines = request_of(event)["headers"]["x402-payment"]
    lines.append({"key": "x402-payment", "value": "second"})
    assert cloudfront.viewer_request(event).headers["x402-payment"] == "first"


def test_a_header_without_lines_is_none() -> None:
    event = viewer_request(headers={"x402-payment": "proof"})
    request_of(event)["headers"]["x402-payment"] = []
    assert "x402-payment" not in cloudfront.viewer_request(event).headers


@pytest.mark.parametrize("query", ["", "a=1&b=%20", "?"])
def test_the_query_is_that_of_the_wire(query: str) -> None:
    event = viewer_request()
    request_of(event)["querystring"] = query
    assert cloudfront.viewer_request(event).query == query
    event = origin_response()
    request_of(event)["querystring"] = query
    assert cloudfront.origin_response(event).query == query


def test_without_a_query_it_is_empty() -> None:
    event = viewer_request()
    del request_of(event)["querystring"]
    assert cloudfront.viewer_request(event).query == ""
    event = origin_response()
    del request_of(event)["querystring"]
    assert cloudfront.origin_response(event).query == ""


def test_added_headers_have_cloudfronts_shape_and_replace_their_like() -> None:
    request = request_of(viewer_request(headers={"x-a": "old"}))
    added = cloudfront.with_headers(request, {"x-a": "new", "x-b": "1"})
    assert added["headers"]["x-b"] == [{"key": "x-b", "value": "1"}]
    assert values(added["headers"])["x-a"] == ["new"]
    assert values(request["headers"])["x-a"] == ["old"]


def test_repeated_lines_of_what_the_origin_saw_are_joined() -> None:
    event = origin_response(headers={"X-Settlement-Intent-Id": "intent-1"})
    lines = request_of(event)["headers"]["x-settlement-intent-id"]
    lines.append({"key": "x-settlement-intent-id", "value": "intent-2"})
    headers = cloudfront.origin_response(event).headers
    assert headers["x-settlement-intent-id"] == "intent-1, intent-2"


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
