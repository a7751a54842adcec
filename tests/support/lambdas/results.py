"""A message on its way through a function, and what the function may return for it."""

from typing import Any

from edge.emulator.messages import Request, Response

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
