"""What the viewer gets."""

import socket
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.lambdas import Counted, Event, emulated, pass_through, reflecting


def test_the_viewer_gets_the_origins_headers_and_cloudfronts(tmp_path: Path) -> None:
    async def cookies(_: Request) -> Response:
        response = Response(
            b"\x1f\x8b not really gzip", headers={"Content-Encoding": "gzip"}
        )
        response.headers.append("Set-Cookie", "a=1")
        response.headers.append("Set-Cookie", "b=2")
        response.headers.append("X-Cache", "Hit from somebody else")
        return response

    origin = Starlette(routes=[Route("/", cookies)])
    with (
        emulated(tmp_path, pass_through, origin) as edge,
        edge.client.stream("GET", "/") as response,
    ):
        body = b"".join(response.iter_raw())
    assert body == b"\x1f\x8b not really gzip"
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers.get_list("x-cache") == ["Miss from cloudfront"]
    assert response.headers["via"].endswith(".cloudfront.net (CloudFront)")
    assert len(response.headers.get_list("date")) == 1


def test_cloudfront_names_and_dates_what_it_generates(tmp_path: Path) -> None:
    with emulated(tmp_path, pass_through, "http://127.0.0.1:1") as edge:
        response = edge.client.get("/")
    assert response.headers["server"] == "CloudFront"
    assert response.headers["date"].endswith(" GMT")


def test_a_request_that_ends_half_way_goes_nowhere(tmp_path: Path) -> None:
    origin = Counted()
    with emulated(tmp_path, pass_through, origin) as edge:
        address = httpx.URL(edge.url)
        with socket.create_connection((address.host, address.port or 80)) as viewer:
            viewer.sendall(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"
            )
            viewer.shutdown(socket.SHUT_WR)
            assert viewer.recv(1) == b""
        edge.client.post("/", content=b"complete")
    assert origin.count == 1


def test_a_generated_response_never_reaches_the_origin(tmp_path: Path) -> None:
    def refuse(event: Event, context: Any) -> Any:
        return {
            "status": "402",
            "statusDescription": "Payment Required",
            "headers": {"content-type": [{"value": "application/json"}]},
            "body": "e30=",
            "bodyEncoding": "base64",
        }

    # Nothing listens on port 1: asking the origin would be a 502.
    with emulated(tmp_path, refuse, "http://127.0.0.1:1") as edge:
        response = edge.client.get("/")
    assert (response.status_code, response.content) == (402, b"{}")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-cache"] == "LambdaGeneratedResponse from cloudfront"


def test_origin_response_may_replace_status_headers_and_body(tmp_path: Path) -> None:
    def replace(event: Event, context: Any) -> Any:
        cf = event["Records"][0]["cf"]
        if "response" not in cf:
            return cf["request"]
        headers = {"x-new": [{"key": "X-New", "value": "1"}]}
        return {"status": "203", "headers": headers, "body": "replaced"}

    with emulated(tmp_path, replace, reflecting) as edge:
        response = edge.client.get("/")
    assert (response.status_code, response.text) == (203, "replaced")
    assert response.headers["x-new"] == "1"
    assert "content-type" not in response.headers


def test_a_head_request_keeps_the_length_of_the_body_it_does_not_get(
    tmp_path: Path,
) -> None:
    with emulated(tmp_path, pass_through, reflecting) as edge:
        response = edge.client.head("/")
    assert response.content == b""
    assert int(response.headers["content-length"]) > 0


def test_a_body_in_chunks_is_delivered_in_chunks(tmp_path: Path) -> None:
    async def chunks(_: Request) -> Response:
        return StreamingResponse(iter(["in ", "chunks"]))

    origin = Starlette(routes=[Route("/", chunks)])
    with emulated(tmp_path, pass_through, origin) as edge:
        response = edge.client.get("/")
    assert response.text == "in chunks"
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers


def test_a_redirect_is_handed_to_the_viewer(tmp_path: Path) -> None:
    async def elsewhere(_: Request) -> Response:
        return Response(status_code=307, headers={"Location": "/there"})

    with emulated(
        tmp_path, pass_through, Starlette(routes=[Route("/", elsewhere)])
    ) as edge:
        response = edge.client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/there")
