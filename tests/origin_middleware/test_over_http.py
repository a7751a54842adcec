"""Over real sockets, as clients and servers write it."""

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from tests.support.running import serving


@pytest.fixture
def executions() -> list[str]:
    return []


@pytest.fixture
def address(executions: list[str]) -> Iterator[str]:
    async def whole(request: Request) -> Response:
        executions.append("whole")
        return Response(b"x" * 1000, headers={"x-number": str(len(executions))})

    async def stream(request: Request) -> Response:
        executions.append("stream")
        return StreamingResponse(iter([b"a" * 500, b"", b"b" * 500]))

    app = Starlette(
        routes=[
            Route("/whole", whole, methods=["GET", "POST", "HEAD"]),
            Route("/stream", stream),
        ]
    )
    app.add_middleware(
        IdempotencyMiddleware, store=MemoryStore(), policy=Policy(require_key=True)
    )
    with serving(app) as url:
        yield urlsplit(url).netloc


def ask(
    address: str, method: str, path: str, name: str = "x-settlement-intent-id"
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, headers={name: "intent-1"})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "name",
    ["x-settlement-intent-id", "X-Settlement-Intent-Id", "X-SETTLEMENT-INTENT-ID"],
)
def test_the_name_of_the_header_may_be_in_any_case(
    address: str, executions: list[str], name: str
) -> None:
    ask(address, "GET", "/whole")
    status, _, headers = ask(address, "GET", "/whole", name)
    assert (status, headers["idempotent-replayed"]) == (200, "true")
    assert executions == ["whole"]


@pytest.mark.parametrize("path", ["/whole", "/stream"])
def test_a_replay_has_the_bytes_of_the_first_response(
    address: str, executions: list[str], path: str
) -> None:
    first, again = (ask(address, "GET", path) for _ in range(2))
    assert first[1] == again[1]
    assert len(first[1]) == 1000
    assert len(executions) == 1


def test_a_head_request_gets_its_length_twice(
    address: str, executions: list[str]
) -> None:
    first, again = (ask(address, "HEAD", "/whole") for _ in range(2))
    assert first[2]["content-length"] == again[2]["content-length"] == "1000"
    assert first[1] == again[1] == b""
    assert executions == ["whole"]


def test_a_chunked_upload_is_the_same_request_as_a_whole_one(
    address: str, executions: list[str]
) -> None:
    for body in (b"one and two", iter([b"one", b" and ", b"two"])):
        connection = http.client.HTTPConnection(address, timeout=10)
        headers = {"x-settlement-intent-id": "intent-1"}
        connection.request("POST", "/whole", body=body, headers=headers)
        assert connection.getresponse().status == 200
        connection.close()
    assert executions == ["whole"]
