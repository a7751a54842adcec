"""What CloudFront makes of a function's result: the next message, or an error.

AWS "Generating HTTP responses in request triggers", "Updating HTTP responses in origin
response triggers", "Restrictions on all edge functions" (Query strings, URI), "Quotas".
"""

import base64
import binascii
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeAlias

from .errors import FunctionResultError
from .messages import Request, Response, size
from .restrictions import (
    READ_ONLY_IN_ORIGIN_RESPONSE,
    READ_ONLY_IN_VIEWER_REQUEST,
    HeaderLines,
    as_text,
    returned_headers,
)

GENERATED_RESPONSE_LIMIT = 40 * 1024
REPLACED_RESPONSE_LIMIT = 1024 * 1024
REQUEST_LIMIT = 32_768
URL_LIMIT = 8_192

# A function's result, before its fields are checked.
Result: TypeAlias = Mapping[str, object]

STATUS = re.compile(r"[2-5][0-9]{2}")
# CloudFront would send any UTF-8 to the origin; the HTTP client here only sends ASCII.
URI = re.compile(r"/[!-~]*")
QUERY = re.compile(r"[!-~]*")


def viewer_request_result(sent: Request, value: object) -> Request | Response:
    """The request to go on with, or a response generated instead."""
    result = _object(value)
    return _generated(result) if "status" in result else _request(sent, result)


def origin_response_result(sent: Response, value: object) -> Response:
    """The response to deliver: with the origin's body, unless the function set one."""
    result = _object(value)
    status, reason = _status(result)
    lines = _lines(result)
    headers = returned_headers(sent.headers, lines, READ_ONLY_IN_ORIGIN_RESPONSE)
    if "body" not in result:
        return Response(status, reason, headers, sent.body)
    if size(headers) + _body_size(result) > REPLACED_RESPONSE_LIMIT:
        raise FunctionResultError("the response is over 1 MB")
    return Response(status, reason, headers, _body(result))


def _generated(result: Result) -> Response:
    status, reason = _status(result)
    # No message came in, so there is no read-only header it could return.
    lines = _lines(result)
    headers = returned_headers((), lines, READ_ONLY_IN_ORIGIN_RESPONSE)
    body = _body(result)
    if status == HTTPStatus.NO_CONTENT and body:
        raise FunctionResultError("the status is 204 and there is a body")
    if size(headers) + _body_size(result) > GENERATED_RESPONSE_LIMIT:
        raise FunctionResultError("the generated response is over 40 KB")
    return Response(status, reason, headers, body)


def _request(sent: Request, result: Result) -> Request:
    _check_read_only_fields(sent, result)
    lines = _lines(result)
    request = Request(
        method=sent.method,
        path=_uri(sent, result),
        query=_query(sent, result),
        headers=returned_headers(sent.headers, lines, READ_ONLY_IN_VIEWER_REQUEST),
        body=sent.body,
        client_ip=sent.client_ip,
    )
    if len(request.target) > URL_LIMIT or request.size > REQUEST_LIMIT:
        raise FunctionResultError(
            "the URL is over 8,192 bytes or the request over 32,768"
        )
    return request


def _check_read_only_fields(sent: Request, result: Result) -> None:
    method = _string(result, "method")
    client_ip = _string(result, "clientIp", sent.client_ip)
    if (method, client_ip) != (sent.method, sent.client_ip):
        raise FunctionResultError("it changed method or clientIp, which are read-only")


def _uri(sent: Request, result: Result) -> bytes:
    uri = _string(result, "uri")
    if uri == as_text(sent.path):
        return sent.path
    if not URI.fullmatch(uri):
        raise FunctionResultError("uri does not begin with / or is not percent-encoded")
    return uri.encode()


def _query(sent: Request, result: Result) -> bytes:
    query = _string(result, "querystring", "")
    if query == as_text(sent.query):
        return sent.query
    if "#" in query or not QUERY.fullmatch(query):
        raise FunctionResultError("querystring holds #, a space or a control character")
    return query.encode()


def _body_size(result: Result) -> int:
    # As returned: base64 counts with its overhead.
    return len(_string(result, "body", "").encode())


def _object(value: object) -> Result:
    """The returned value, if it is an object at all."""
    if not isinstance(value, dict):
        raise FunctionResultError("it is neither a request nor a response")
    return value


def _string(result: Result, field: str, default: str | None = None) -> str:
    """A text field; required if it has no default."""
    value = result.get(field, default)
    if not isinstance(value, str) or not _is_utf_8(value):
        raise FunctionResultError(f"{field} is missing or not a string")
    return value


def _status(result: Result) -> tuple[int, str]:
    """Status and description. CloudFront wants the status as a string."""
    code = _string(result, "status")
    if not STATUS.fullmatch(code):
        raise FunctionResultError(f"the status {code!r} is not between 200 and 599")
    return int(code), _string(result, "statusDescription", "")


def _body(result: Result) -> bytes:
    """The body decoded; empty if there is none."""
    text = _string(result, "body", "")
    encoding = _string(result, "bodyEncoding", "text")
    if encoding == "text":
        return text.encode()
    if encoding == "base64":
        return _decoded(text)
    raise FunctionResultError(f"the bodyEncoding {encoding!r} is not text or base64")


def _lines(result: Result) -> HeaderLines:
    """The headers by lower-case name."""
    found = result.get("headers", {})
    if not isinstance(found, dict):
        raise FunctionResultError("headers is not an object")
    return {name: _lines_of(name, lines) for name, lines in found.items()}


def _is_utf_8(text: str) -> bool:
    """JSON can hold half a surrogate pair; no message can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines_of(name: str, lines: object) -> list[tuple[str, str]]:
    if not isinstance(lines, list):
        raise FunctionResultError(f"the header {name} is not a list")
    found = [_line(name, line) for line in lines]
    if not all(_is_utf_8(value) for _, value in found):
        raise FunctionResultError(f"a line of the header {name} is no text")
    return found


def _line(name: str, line: object) -> tuple[str, str]:
    match line:
        case {"key": str(key), "value": str(value)}:
            return key, value.strip(" \t")
        case {"key": _}:
            pass
        case {"value": str(value)}:
            # Lambda@Edge inserts the key: initial capitals between hyphens.
            return name.title(), value.strip(" \t")
    raise FunctionResultError(f"a line of the header {name} has no text value")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise FunctionResultError("the body is not valid base64") from exc
