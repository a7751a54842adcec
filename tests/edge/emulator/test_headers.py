"""Which headers a function may return, rule by rule."""

import pytest

from edge.emulator.errors import FunctionResultError
from edge.emulator.messages import Request
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
