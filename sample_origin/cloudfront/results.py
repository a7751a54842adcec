"""What CloudFront makes of a function's result: the next message, or an error.

AWS "Generating HTTP responses in request triggers", "Updating HTTP responses in origin
response triggers", "Restrictions on all edge functions" (Query strings, URI), "Quotas".
"""

import re
from http import HTTPStatus

from . import returned
from .errors import FunctionResultError
from .messages import Request, Response, size
from .restrictions import (
    READ_ONLY_IN_ORIGIN_RESPONSE,
    READ_ONLY_IN_VIEWER_REQUEST,
    as_text,
    returned_headers,
)

GENERATED_RESPONSE_LIMIT = 40 * 1024
REPLACED_RESPONSE_LIMIT = 1024 * 1024
REQUEST_LIMIT = 32_768
URL_LIMIT = 8_192

# CloudFront would send any UTF-8 to the origin; the HTTP client here only sends ASCII.
URI = re.compile(r"/[!-~]*")
QUERY = re.compile(r"[!-~]*")


def viewer_request_result(sent: Request, value: object) -> Request | Response:
    """The request to go on with, or a response generated instead."""
    result = returned.as_object(value)
    return _generated(result) if "status" in result else _request(sent, result)


def origin_response_result(sent: Response, value: object) -> Response:
    """The response to deliver: with the origin's body, unless the function set one."""
    result = returned.as_object(value)
    status, reason = returned.status(result)
    lines = returned.headers(result)
    headers = returned_headers(sent.headers, lines, READ_ONLY_IN_ORIGIN_RESPONSE)
    if "body" not in result:
        return Response(status, reason, headers, sent.body)
    if size(headers) + _body_size(result) > REPLACED_RESPONSE_LIMIT:
        raise FunctionResultError("the response is over 1 MB")
    return Response(status, reason, headers, returned.body(result))


def _generated(result: returned.Returned) -> Response:
    status, reason = returned.status(result)
    # No message came in, so there is no read-only header it could return.
    lines = returned.headers(result)
    headers = returned_headers((), lines, READ_ONLY_IN_ORIGIN_RESPONSE)
    body = returned.body(result)
    if status == HTTPStatus.NO_CONTENT and body:
        raise FunctionResultError("the status is 204 and there is a body")
    if size(headers) + _body_size(result) > GENERATED_RESPONSE_LIMIT:
        raise FunctionResultError("the generated response is over 40 KB")
    return Response(status, reason, headers, body)


def _request(sent: Request, result: returned.Returned) -> Request:
    _check_read_only_fields(sent, result)
    lines = returned.headers(result)
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


def _check_read_only_fields(sent: Request, result: returned.Returned) -> None:
    method = returned.string(result, "method")
    client_ip = returned.string(result, "clientIp", sent.client_ip)
    if (method, client_ip) != (sent.method, sent.client_ip):
        raise FunctionResultError("it changed method or clientIp, which are read-only")


def _uri(sent: Request, result: returned.Returned) -> bytes:
    uri = returned.string(result, "uri")
    if uri == as_text(sent.path):
        return sent.path
    if not URI.fullmatch(uri):
        raise FunctionResultError("uri does not begin with / or is not percent-encoded")
    return uri.encode()


def _query(sent: Request, result: returned.Returned) -> bytes:
    query = returned.string(result, "querystring", "")
    if query == as_text(sent.query):
        return sent.query
    if "#" in query or not QUERY.fullmatch(query):
        raise FunctionResultError("querystring holds #, a space or a control character")
    return query.encode()


def _body_size(result: returned.Returned) -> int:
    # As returned: base64 counts with its overhead.
    return len(returned.string(result, "body", "").encode())
