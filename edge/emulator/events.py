"""Lambda@Edge events, as AWS "Lambda@Edge event structure" documents them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from .distribution import Distribution, Origin
from .messages import Headers, Request, Response
from .restrictions import as_text, exposed

Json: TypeAlias = dict[str, Any]


def viewer_request_event(
    distribution: Distribution, request_id: str, request: Request
) -> Json:
    """The function's input before the cache lookup."""
    config = _config(distribution, "viewer-request", request_id)
    return _event({"config": config, "request": _request(request)})


def origin_response_event(
    distribution: Distribution,
    origin: Origin,
    request_id: str,
    request: Request,
    response: Response,
) -> Json:
    """The function's input before caching: the *origin's* request, without a body."""
    config = _config(distribution, "origin-response", request_id)
    sent = _request(request) | {"origin": {"custom": _custom_origin(origin)}}
    return _event({"config": config, "request": sent, "response": _response(response)})


def _event(cf: Mapping[str, Json]) -> Json:
    return {"Records": [{"cf": dict(cf)}]}


def _config(distribution: Distribution, event_type: str, request_id: str) -> Json:
    return {
        "distributionDomainName": distribution.domain_name,
        "distributionId": distribution.distribution_id,
        "eventType": event_type,
        "requestId": request_id,
    }


def _request(request: Request) -> Json:
    return {
        "clientIp": request.client_ip,
        "headers": _headers(request.headers),
        "method": request.method,
        "querystring": as_text(request.query),
        "uri": as_text(request.path),
    }


def _response(response: Response) -> Json:
    return {
        "headers": _headers(response.headers),
        "status": str(response.status),
        "statusDescription": response.reason,
    }


def _headers(headers: Headers) -> Json:
    return {
        name: [{"key": key, "value": value} for key, value in lines]
        for name, lines in exposed(headers).items()
    }


def _custom_origin(origin: Origin) -> Json:
    parts = origin.split
    return {
        "customHeaders": {},
        "domainName": parts.hostname,
        "keepaliveTimeout": 5,
        "path": origin.path,
        "port": parts.port or (443 if parts.scheme == "https" else 80),
        "protocol": parts.scheme,
        "readTimeout": origin.response_timeout,
        "sslProtocols": ["TLSv1.2"],
    }
