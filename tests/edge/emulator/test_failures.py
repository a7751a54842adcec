"""What a failing function and a refused request look like to the viewer."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.lambdas import Counted, Event, Handler, emulated, log


def raise_on_request(event: Event, context: Any) -> Any:
    raise ValueError("a bug")


def raise_on_response(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    if "response" in cf:
        raise ValueError("a bug")
    return cf["request"]


def sleep_on_request(event: Event, context: Any) -> Any:

    time.sleep(60)


def sleep_on_response(event: Event, context: Any) -> Any:

    cf = event["Records"][0]["cf"]
    if "response" in cf:
        time.sleep(60)
    return cf["request"]


def exit_on_request(event: Event, context: Any) -> Any:

    os._exit(3)


def return_what_is_not_json(event: Event, context: Any) -> Any:
    return {"status": {1, 2}}


def return_nothing(event: Event, context: Any) -> Any:
    return None


def return_request_for_response(event: Event, context: Any) -> Any:
    return event["Records"][0]["cf"]["request"]


def add_disallowed_to_response(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    if "response" not in cf:
        return cf["request"]
    cf["response"]["headers"]["x-edge-settled"] = [{"value": "1"}]
    return cf["response"]


def change_host(event: Event, context: Any) -> Any:
    request = event["Records"][0]["cf"]["request"]
    request["headers"]["host"] = [{"key": "Host", "value": "evil.example"}]
    return request


def return_40_kilobytes_and_more(event: Event, context: Any) -> Any:
    return {"status": "200", "body": "a" * (40 * 1024 + 1)}


def return_204_with_a_body(event: Event, context: Any) -> Any:
    return {"status": "204", "body": "something"}


@pytest.mark.parametrize(
    ("handler", "status", "asked"),
    [
        (raise_on_request, 503, 0),
        (raise_on_response, 503, 1),
        (exit_on_request, 503, 0),
        (return_what_is_not_json, 503, 0),
        (return_nothing, 502, 0),
        (return_request_for_response, 502, 1),
        (add_disallowed_to_response, 502, 1),
        (change_host, 502, 0),
        (return_40_kilobytes_and_more, 502, 0),
        (return_204_with_a_body, 502, 0),
    ],
)
def test_a_failing_function_replaces_the_response(
    tmp_path: Path, handler: Handler, status: int, asked: int
) -> None:
    origin = Counted()
    with emulated(tmp_path, handler, origin) as edge:
        response = edge.client.get("/")
    assert (response.status_code, origin.count) == (status, asked)
    kind = {502: "LambdaValidationError", 503: "LambdaExecutionError"}[status]
    assert response.headers["x-cache"] == f"{kind} from cloudfront"
    assert "paid content" not in response.text


@pytest.mark.parametrize(
    ("handler", "asked"), [(sleep_on_request, 0), (sleep_on_response, 1)]
)
def test_a_function_that_takes_too_long_is_a_503(
    tmp_path: Path, handler: Handler, asked: int
) -> None:
    origin = Counted()
    with emulated(tmp_path, handler, origin, lambda_timeout=0.2) as edge:
        response = edge.client.get("/")
        assert edge.log() == ["Task timed out after 0.20 seconds"]
    assert (response.status_code, origin.count) == (503, asked)


def test_a_traceback_goes_to_the_log(tmp_path: Path) -> None:
    with emulated(tmp_path, raise_on_request, Counted()) as edge:
        edge.client.get("/")
        assert edge.log()[0] == "[ERROR] ValueError: a bug"
        assert "Traceback (most recent call last):" in edge.log()


def test_the_next_request_is_served_after_a_failure(tmp_path: Path) -> None:
    def fail_once(event: Event, context: Any) -> Any:

        failed = Path(__file__).with_name("failed")
        if not failed.exists():
            failed.touch()
            os._exit(1)
        cf = event["Records"][0]["cf"]
        return cf.get("response", cf["request"])

    with emulated(tmp_path, fail_once, Counted()) as edge:
        assert [edge.client.get("/").status_code for _ in range(2)] == [503, 200]


def test_cloudfront_refuses_what_breaks_its_limits_before_the_function_runs(
    tmp_path: Path,
) -> None:
    def accept(event: Event, context: Any) -> Any:
        log("invoked")
        return {"status": "200"}

    with emulated(tmp_path, accept, Counted()) as edge:
        client = edge.client
        assert client.get("/" + "a" * 8_192).status_code == 413
        assert client.get("/", headers={"X-Long": "a" * 32_768}).status_code == 413
        assert client.request("GET", "/", content=b"body").status_code == 403
        assert client.request("TRACE", "/").status_code == 403
        assert edge.log() == []
        assert client.get("/" + "a" * 8_191).status_code == 200
        assert client.get("/", headers={"X-Long": "a" * 32_000}).status_code == 200
