"""The request CloudFront makes to the origin out of the viewer's.

AWS "Controlling origin requests", "Using the managed origin request policies" and
"Request and response behavior for custom origins".
"""

from dataclasses import replace
from typing import assert_never

from .distribution import Origin, OriginRequestPolicy
from .messages import Headers, Request, values
from .restrictions import is_disallowed, lower

# Set by CloudFront itself, below; the body is buffered, so its framing is ours too.
REPLACED = frozenset(
    {"content-length", "te", "transfer-encoding", "via", "x-forwarded-for"}
)
# Hidden from functions, but not removed on the way to the origin.
FORWARDED_UNSEEN = ("x-accel-", "x-amzn-")


def origin_request(
    request: Request, policy: OriginRequestPolicy, origin: Origin, request_id: str
) -> Request:
    """What the policy lets through, and what CloudFront adds."""
    kept = tuple(pair for pair in request.headers if _forwardable(lower(pair[0])))
    host = (b"Host", origin.split.netloc.encode())
    match policy:
        case OriginRequestPolicy.NONE:
            # Without a policy not even the query string goes along.
            request = replace(request, query=b"")
            kept = (host, (b"User-Agent", b"Amazon CloudFront"), *_minimum(kept))
        case OriginRequestPolicy.ALL_VIEWER:
            pass
        case OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER:
            kept = (host, *(pair for pair in kept if lower(pair[0]) != "host"))
        case _:
            assert_never(policy)
    return replace(request, headers=kept + _added(request, request_id))


def via(request_id: str) -> bytes:
    """CloudFront's entry in a Via header."""
    return f"1.1 {request_id[:32].lower()}.cloudfront.net (CloudFront)".encode()


def _forwardable(name: str) -> bool:
    if name.startswith(FORWARDED_UNSEEN):
        return True
    return name not in REPLACED and not is_disallowed(name)


def _minimum(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if lower(pair[0]) == "content-type")


def _added(request: Request, request_id: str) -> Headers:
    forwarded_for = [
        *values(request.headers, b"x-forwarded-for"),
        request.client_ip.encode(),
    ]
    added = [
        (b"X-Forwarded-For", b",".join(forwarded_for)),
        (b"Via", b", ".join([*values(request.headers, b"via"), via(request_id)])),
        (b"X-Amz-Cf-Id", request_id.encode()),
        (b"Connection", b"Keep-Alive"),
    ]
    if request.body or values(request.headers, b"content-length"):
        added.append((b"Content-Length", str(len(request.body)).encode()))
    return tuple(added)
