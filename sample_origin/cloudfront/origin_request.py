"""The request CloudFront makes to the origin out of the viewer's.

AWS "Controlling origin requests", "Using the managed origin request policies" and
"Request and response behavior for custom origins".
"""

from dataclasses import replace

from .messages import Headers, Request, values
from .origins import Origin
from .policies import OriginRequestPolicy
from .restrictions import is_disallowed, lower

# Set by CloudFront itself, below; the body is buffered, so its framing is ours too.
REPLACED = frozenset(
    {"content-length", "te", "transfer-encoding", "via", "x-forwarded-for"}
)
# Hidden from functions, but not removed on the way to the origin.
FORWARDED_UNSEEN = ("x-accel-", "x-amzn-")
# Whatever the policy is: the body goes along, so what it is goes, too.
ALWAYS_FORWARDED = frozenset({"content-type"})


def origin_request(
    request: Request, policy: OriginRequestPolicy, origin: Origin, request_id: str
) -> Request:
    """What the policy lets through, and what CloudFront adds."""
    kept = tuple(pair for pair in request.headers if _goes_along(pair[0], policy))
    return replace(
        request,
        query=request.query if policy.query else b"",
        headers=_instead(policy, origin) + kept + _added(request, request_id),
    )


def via(request_id: str) -> bytes:
    """CloudFront's entry in a Via header."""
    return f"1.1 {request_id[:32].lower()}.cloudfront.net (CloudFront)".encode()


def _goes_along(key: bytes, policy: OriginRequestPolicy) -> bool:
    name = lower(key)
    if name in REPLACED or (is_disallowed(name) and not _is_unseen(name)):
        return False
    return name in ALWAYS_FORWARDED or policy.forwards(name)


def _is_unseen(name: str) -> bool:
    return name.startswith(FORWARDED_UNSEEN)


def _instead(policy: OriginRequestPolicy, origin: Origin) -> Headers:
    """What stands in for a viewer's header that the policy keeps back."""
    host = (b"Host", origin.split.netloc.encode())
    agent = (b"User-Agent", b"Amazon CloudFront")
    return tuple(pair for pair in (host, agent) if not policy.forwards(lower(pair[0])))


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
