"""Which requests and responses a function may return, rule by rule."""

from dataclasses import replace
from typing import Any

import pytest

from edge.emulator.errors import FunctionResultError
from edge.emulator.messages import Request, Response
from edge.emulator.results import (
    origin_response_result,
    viewer_request_result,
)
from tests.support.lambdas.results import (
    REQUEST,
    RESPONSE,
    line,
    returned_request,
    returned_response,
)


@pytest.mark.parametrize("value", [None, "request", [], 3, {}, {"uri": "/"}])
def test_neither_a_request_nor_a_response_fails_validation(value: object) -> None:
    with pytest.raises(FunctionResultError):
        viewer_request_result(REQUEST, value)
    with pytest.raises(FunctionResultError):
        origin_response_result(RESPONSE, value)


def test_a_request_is_no_result_for_origin_response() -> None:
    with pytest.raises(FunctionResultError, match="status"):
        origin_response_result(RESPONSE, returned_request())


@pytest.mark.parametrize("status", [200, None, "", "OK", "100", "199", "600", "2000"])
def test_a_status_is_a_string_between_200_and_599(status: object) -> None:
    with pytest.raises(FunctionResultError, match="status"):
        viewer_request_result(REQUEST, {"status": status})
    with pytest.raises(FunctionResultError, match="status"):
        origin_response_result(RESPONSE, returned_response(status=status))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"clientIp": "198.51.100.1"},
        {"uri": "api/joke"},
        {"uri": "/a b"},
        {"uri": None},
        {"querystring": "a=1#top"},
        {"querystring": "a b"},
        {"querystring": "é"},
        {"uri": "/" + "a" * 8_192, "querystring": ""},
        {"headers": {"x-long": line("a" * 32_768)}},
    ],
)
def test_a_request_changed_beyond_the_rules_fails_validation(
    change: dict[str, Any],
) -> None:
    with pytest.raises(FunctionResultError):
        viewer_request_result(REQUEST, returned_request(**change))


def test_a_path_and_a_query_that_are_left_alone_keep_their_bytes() -> None:
    """The function saw them as UTF-8, whatever they were."""
    sent = replace(REQUEST, path=b"/caf\xe9 ", query=b"q=\xe9#")
    unchanged = returned_request(uri="/caf\xe9 ", querystring="q=\xe9#")
    result = viewer_request_result(sent, unchanged)
    assert isinstance(result, Request)
    assert (result.path, result.query) == (sent.path, sent.query)
    for change in ({"uri": "/caf\xe9  "}, {"querystring": "q=\xe9##"}):
        with pytest.raises(FunctionResultError):
            viewer_request_result(sent, unchanged | change)


@pytest.mark.parametrize(
    "response",
    [
        {"status": "200", "body": "\ud800"},
        {"status": "200", "headers": {"x-a": line("\ud800")}},
    ],
)
def test_half_a_surrogate_pair_is_no_text(response: object) -> None:
    with pytest.raises(FunctionResultError):
        viewer_request_result(REQUEST, response)


def test_a_url_may_have_8192_bytes() -> None:
    longest = returned_request(uri="/" + "a" * 8_191, querystring="")
    assert isinstance(viewer_request_result(REQUEST, longest), Request)


@pytest.mark.parametrize(
    "response",
    [
        {"status": "204", "body": "something"},
        {"status": "200", "body": {"not": "text"}},
        {"status": "200", "body": "x", "bodyEncoding": "gzip"},
        {"status": "200", "body": "***", "bodyEncoding": "base64"},
        {"status": "200", "statusDescription": 1},
        {"status": "200", "body": "a" * 40 * 1024, "headers": {"x-a": line("b")}},
    ],
)
def test_an_invalid_generated_response_fails_validation(response: object) -> None:
    with pytest.raises(FunctionResultError):
        viewer_request_result(REQUEST, response)


def test_40_kilobytes_may_be_generated() -> None:
    generated = {"status": "402", "body": "a" * 40 * 1024}
    assert isinstance(viewer_request_result(REQUEST, generated), Response)


def test_base64_counts_as_it_was_returned() -> None:
    body = "YWFh" * (10 * 1024 + 1)
    with pytest.raises(FunctionResultError, match="40 KB"):
        viewer_request_result(
            REQUEST, {"status": "200", "body": body, "bodyEncoding": "base64"}
        )


def test_origin_response_may_set_a_megabyte() -> None:
    allowed = returned_response(headers={}, body="a" * (1024 * 1024 - 100))
    assert len(origin_response_result(RESPONSE, allowed).body) == 1024 * 1024 - 100
    with pytest.raises(FunctionResultError, match="1 MB"):
        origin_response_result(RESPONSE, returned_response(body="a" * 1024 * 1024))
