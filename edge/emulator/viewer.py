"""The viewer's side: a request out of ASGI, and a response back into it."""

from email.utils import formatdate
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from .errors import ViewerRequestError
from .messages import Headers, Request, Response, values, without
from .origin import via
from .results import REQUEST_LIMIT, URL_LIMIT

# Hop by hop, or replaced by CloudFront's own.
NOT_DELIVERED = (
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"via",
    b"x-amz-cf-id",
    b"x-amz-cf-pop",
    b"x-cache",
)
WITHOUT_BODY = frozenset({204, 304})


async def receive_request(scope: Scope, receive: Receive) -> Request | None:
    """The viewer's request, its path raw; None if the viewer left half-way."""
    body = await _body(receive)
    if body is None:
        return None
    return Request(
        method=scope["method"],
        path=scope["raw_path"],
        query=scope["query_string"],
        headers=tuple((bytes(name), bytes(value)) for name, value in scope["headers"]),
        body=body,
        client_ip=scope["client"][0] if scope.get("client") else "127.0.0.1",
    )


def check(request: Request) -> None:
    """Raise ViewerRequestError for a request that CloudFront refuses at once."""
    if not request.path.startswith(b"/"):
        raise ViewerRequestError(HTTPStatus.BAD_REQUEST, "The path must begin with /.")
    if len(request.target) > URL_LIMIT or request.size > REQUEST_LIMIT:
        # AWS "Maximum length of a request and maximum length of a URL".
        message = "The URL is over 8,192 bytes or the request over 32,768."
        raise ViewerRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    if request.method == "GET" and request.body:
        # AWS "GET requests that include a body".
        raise ViewerRequestError(HTTPStatus.FORBIDDEN, "A GET must not have a body.")


def check_method(request: Request, allowed: frozenset[str]) -> None:
    """Raise ViewerRequestError for a method the behaviour does not allow."""
    if request.method not in allowed:
        message = f"This behaviour allows {', '.join(sorted(allowed))} only."
        raise ViewerRequestError(HTTPStatus.FORBIDDEN, message)


async def send_response(
    send: Send, request: Request, response: Response, x_cache: str, request_id: str
) -> None:
    """Deliver a response, with the headers CloudFront adds."""
    body = b"" if response.status in WITHOUT_BODY else response.body
    headers = _framed(
        without(response.headers, *NOT_DELIVERED), request, response, body
    )
    added = (
        *_missing(headers),
        (b"X-Cache", x_cache.encode()),
        (b"Via", via(request_id)),
        (b"X-Amz-Cf-Pop", b"IAD89-C1"),
        (b"X-Amz-Cf-Id", request_id.encode()),
    )
    start = {"status": response.status, "headers": [*headers, *added]}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": body})


def _missing(headers: Headers) -> Headers:
    defaults = ((b"Server", b"CloudFront"), (b"Date", formatdate(usegmt=True).encode()))
    return tuple(pair for pair in defaults if not values(headers, pair[0].lower()))


def _framed(
    headers: Headers, request: Request, response: Response, body: bytes
) -> Headers:
    # The length of a HEAD response or of a 304 is that of a body that is not sent.
    if request.method == "HEAD" or response.status in WITHOUT_BODY:
        return headers
    if values(response.headers, b"transfer-encoding"):
        return headers  # it came in chunks, and the server will send it in chunks
    length = (b"Content-Length", str(len(body)).encode())
    return (*without(headers, b"content-length"), length)


async def _body(receive: Receive) -> bytes | None:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
