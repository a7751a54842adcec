"""How the origin is asked: attempts, timeouts, and under which path."""

import socket
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from edge.emulator.distribution import Origin
from edge.emulator.messages import Request
from edge.emulator.origin import OriginClient
from edge.emulator.transcript import Transcript
from tests.support.lambdas import (
    Event,
    Silent,
    emulated,
    log,
    pass_through,
    reflecting,
)
from tests.support.running import serving


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_silent_origin_is_asked_three_times(tmp_path: Path, method: str) -> None:
    origin = Silent(first=9)
    with emulated(tmp_path, pass_through, origin, response_timeout=0.1) as edge:
        response = edge.client.request(method, "/")
    assert (response.status_code, origin.count) == (504, 3)
    assert response.headers["x-cache"] == "Error from cloudfront"


def test_the_third_attempt_may_succeed(tmp_path: Path) -> None:
    origin = Silent(first=2)
    with emulated(tmp_path, pass_through, origin, response_timeout=0.4) as edge:
        assert edge.client.get("/").text == "attempt 3"


def test_the_connection_of_an_abandoned_attempt_is_closed(tmp_path: Path) -> None:
    origin = Silent(first=1)
    with emulated(tmp_path, pass_through, origin, response_timeout=0.4) as edge:
        edge.client.get("/")
        assert origin.abandoned.acquire(timeout=5)


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_other_methods_are_not_repeated_after_a_timeout(
    tmp_path: Path, method: str
) -> None:
    origin = Silent(first=1)
    with emulated(tmp_path, pass_through, origin, response_timeout=0.2) as edge:
        response = edge.client.request(method, "/")
    assert (response.status_code, origin.count) == (504, 1)


def test_origin_response_is_not_invoked_without_a_response(tmp_path: Path) -> None:
    def print_type(event: Event, context: Any) -> Any:
        cf = event["Records"][0]["cf"]
        log(cf["config"]["eventType"])
        return cf.get("response", cf["request"])

    with emulated(tmp_path, print_type, "http://127.0.0.1:1") as edge:
        edge.client.get("/")
        assert edge.log() == ["viewer-request"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_is_a_502(tmp_path: Path, method: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and not listening
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with emulated(tmp_path, pass_through, url) as edge:
            assert edge.client.request(method, "/").status_code == 502


async def test_every_method_tries_again_to_connect() -> None:
    class RefusedTwice(httpx.AsyncBaseTransport):
        attempts = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.attempts += 1
            if self.attempts < 3:
                raise httpx.ConnectError("refused")
            return httpx.Response(200, stream=httpx.ByteStream(b"connected"))

    client = OriginClient(Origin("http://127.0.0.1:1"), RefusedTwice())
    request = Request("POST", b"/", b"", (), b"", "127.0.0.1")
    assert (await client.fetch(request, Transcript(request))).body == b"connected"


def test_a_response_that_breaks_off_is_a_502(tmp_path: Path) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(b"content-length", b"100")]
            start = {"status": 200, "headers": headers}
            await send({"type": "http.response.start", **start})
            half = {"body": b"half", "more_body": True}
            await send({"type": "http.response.body", **half})

    with emulated(tmp_path, pass_through, broken) as edge:
        assert edge.client.post("/").status_code == 502


def test_a_slow_body_is_not_cut_off_while_it_keeps_coming(tmp_path: Path) -> None:
    async def trickle(scope: Scope, receive: Receive, send: Send) -> None:

        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            for _ in range(4):
                await anyio.sleep(0.15)
                chunk = {"body": b".", "more_body": True}
                await send({"type": "http.response.body", **chunk})
            await send({"type": "http.response.body"})

    with emulated(tmp_path, pass_through, trickle, response_timeout=0.4) as edge:
        started = time.monotonic()
        assert edge.client.get("/").text == "...."
    assert time.monotonic() - started > 0.4


def test_the_origins_own_path_is_put_in_front_and_no_function_sees_it(
    tmp_path: Path,
) -> None:
    def print_paths(event: Event, context: Any) -> Any:
        cf = event["Records"][0]["cf"]
        origin = cf["request"].get("origin", {"custom": {"path": "unknown"}})
        log(cf["request"]["uri"] + " of " + origin["custom"]["path"])
        return cf.get("response", cf["request"])

    with serving(reflecting) as url:
        origin = Origin(url, path="/production")
        with emulated(tmp_path, print_paths, origin) as edge:
            seen = edge.client.get("/api/joke?a=1").json()
            printed = edge.log()
    assert (seen["path"], seen["query"]) == ("/production/api/joke", "a=1")
    assert printed == ["/api/joke of unknown", "/api/joke of /production"]
