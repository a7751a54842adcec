"""Which results of a function CloudFront accepts: the rules, one by one."""

from typing import Any

import pytest

from sample_origin.cloudfront.errors import FunctionResultError
from sample_origin.cloudfront.messages import Request, Response
from sample_origin.cloudfront.results import (
    origin_response_result,
    viewer_request_result,
)

REQUEST = Request(
    method="GET",
    path=b"/api/joke",
    query=b"a=1",
    headers=(
        (b"host", b"example.org"),
        (b"via", b"1.0 proxy"),
        (b"content-length", b"0"),
        (b"x-latin", b"caf\xe9"),
        (b"x-amzn-trace-id", b"Root=1"),
    ),
    body=b"",
    client_ip="192.0.2.1",
)
RESPONSE = Response(
    status=200,
    reason="OK",
    headers=(
        (b"Content-Type", b"text/plain"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-Amzn-RequestId", b"1"),
    ),
    body=b"the origin's",
)


def line(value: str) -> list[dict[str, str]]:
    return [{"value": value}]


def returned_request(**changes: Any) -> dict[str, Any]:
    headers = {
        "host": line("example.org"),
        "via": line("1.0 proxy"),
        "content-length": line("0"),
        "x-latin": line("café"),
    }
    unchanged = {
        "clientIp": "192.0.2.1",
        "headers": headers | changes.pop("headers", {}),
        "method": "GET",
        "querystring": "a=1",
        "uri": "/api/joke",
    }
    return unchanged | changes


def returned_response(**changes: Any) -> dict[str, Any]:
    headers = {"content-type": line("text/plain"), "transfer-encoding": line("chunked")}
    return {
        "status": "200",
        "statusDescription": "OK",
        "headers": headers | changes.pop("headers", {}),
    } | changes


def test_an_unchanged_request_keeps_its_bytes_and_its_hidden_headers() -> None:
    result = viewer_request_result(REQUEST, returned_request())
    assert isinstance(result, Request)
    assert result.target == REQUEST.target
    assert {(name.lower(), value) for name, value in result.headers} == {
        *REQUEST.headers
    }


def test_an_unchanged_response_keeps_its_body_and_its_hidden_headers() -> None:
    assert origin_response_result(RESPONSE, returned_response()) == RESPONSE


def test_a_header_without_a_key_gets_initial_capitals() -> None:
    result = viewer_request_result(
        REQUEST, returned_request(headers={"x-settlement-intent-id": line("si_1")})
    )
    assert (b"X-Settlement-Intent-Id", b"si_1") in result.headers


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "proxy-anything",
        "trailer",
        "upgrade",
        "x-accel-redirect",
        "x-amz-cf-id",
        "x-amzn-requestid",
        "x-cache",
        "x-edge-intent",
        "x-forwarded-proto",
        "x-real-ip",
    ],
)
def test_a_disallowed_header_fails_validation_everywhere(name: str) -> None:
    headers = {name: line("1")}
    with pytest.raises(FunctionResultError, match="disallowed"):
        viewer_request_result(REQUEST, returned_request(headers=headers))
    with pytest.raises(FunctionResultError, match="disallowed"):
        viewer_request_result(REQUEST, {"status": "402", "headers": headers})
    with pytest.raises(FunctionResultError, match="disallowed"):
        origin_response_result(RESPONSE, returned_response(headers=headers))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("host", line("evil.example")),
        ("host", []),
        ("via", line("1.1 another")),
        ("content-length", line("1")),
        ("transfer-encoding", line("chunked")),
        ("cdn-loop", line("cloudfront")),
    ],
)
def test_a_read_only_header_fails_validation_in_viewer_request(
    name: str, lines: list[dict[str, str]]
) -> None:
    with pytest.raises(FunctionResultError, match="read-only"):
        viewer_request_result(REQUEST, returned_request(headers={name: lines}))


@pytest.mark.parametrize(
    ("name", "lines"),
    [("transfer-encoding", []), ("via", line("1.1 another"))],
)
def test_a_read_only_header_fails_validation_in_origin_response(
    name: str, lines: list[dict[str, str]]
) -> None:
    with pytest.raises(FunctionResultError, match="read-only"):
        origin_response_result(RESPONSE, returned_response(headers={name: lines}))


def test_what_is_read_only_in_viewer_request_may_change_in_origin_response() -> None:
    headers = {"content-length": line("12"), "cdn-loop": line("x")}
    result = origin_response_result(RESPONSE, returned_response(headers=headers))
    assert (b"Content-Length", b"12") in result.headers


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
    "headers",
    [
        [],
        {"x-one": "1"},
        {"x-one": ["1"]},
        {"x-one": [{"value": 1}]},
        {"x-one": [{"key": 1, "value": "1"}]},
        {"x-one": [{"key": "X-Two", "value": "1"}]},
        {"X-One": [{"key": "X-One", "value": "1"}]},
        {"x one": [{"value": "1"}]},
        {"x-one": [{"value": "1\r\nx-two: 2"}]},
    ],
)
def test_malformed_headers_fail_validation(headers: object) -> None:
    with pytest.raises(FunctionResultError):
        viewer_request_result(REQUEST, {"status": "402", "headers": headers})


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
