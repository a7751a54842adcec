"""How the origin is asked: attempts, timeouts, and which headers it gets."""

import socket
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from sample_origin.cloudfront import Behaviour, Origin, OriginRequestPolicy
from sample_origin.cloudfront.messages import Request
from sample_origin.cloudfront.origin import OriginClient
from tests.support.lambdas import (
    Event,
    Silent,
    emulated,
    log,
    pass_through,
    reflecting,
)


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
    assert (await client.fetch(request)).body == b"connected"


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


def add_intent(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    if "response" in cf:
        log(" ".join(cf["request"]["headers"]))
        return cf["response"]
    cf["request"]["headers"]["x-settlement-intent-id"] = [{"value": "si_1"}]
    return cf["request"]


def test_without_a_policy_the_intent_reaches_neither_origin_nor_origin_response(
    tmp_path: Path,
) -> None:
    behaviour = Behaviour(origin_request_policy=OriginRequestPolicy.NONE)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        headers = {"Cookie": "a=1", "User-Agent": "curl", "Content-Type": "text/plain"}
        seen = edge.client.post("/?a=1", headers=headers, content=b"x").json()
        assert "x-settlement-intent-id" not in edge.log()[0]
    received = dict(seen["headers"])
    assert sorted(received) == [
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "via",
        "x-amz-cf-id",
        "x-forwarded-for",
    ]
    assert received["user-agent"] == "Amazon CloudFront"
    assert (seen["query"], seen["body"]) == ("", "x")


@pytest.mark.parametrize(
    ("policy", "host"),
    [
        (OriginRequestPolicy.ALL_VIEWER, "shop.example"),
        (OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER, "127.0.0.1"),
        (OriginRequestPolicy.NONE, "127.0.0.1"),
    ],
)
def test_the_policy_decides_which_host_the_origin_sees(
    tmp_path: Path, policy: OriginRequestPolicy, host: str
) -> None:
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        seen = edge.client.get("/", headers={"Host": "shop.example"}).json()
    assert dict(seen["headers"])["host"].partition(":")[0] == host


@pytest.mark.parametrize(
    "policy",
    [OriginRequestPolicy.ALL_VIEWER, OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER],
)
def test_under_a_policy_for_all_headers_the_intent_arrives(
    tmp_path: Path, policy: OriginRequestPolicy
) -> None:
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        seen = edge.client.get("/?a=1", headers={"Cookie": "a=1"}).json()
        assert "x-settlement-intent-id" in edge.log()[0]
    received = dict(seen["headers"])
    assert (received["x-settlement-intent-id"], received["cookie"]) == ("si_1", "a=1")
    assert seen["query"] == "a=1"
