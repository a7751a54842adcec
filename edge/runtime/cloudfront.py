"""From CloudFront's events to plain values and back.

Nothing else knows the shape of an event."""

from collections.abc import Mapping

from .hints import Any, NamedTuple
from .intent import without_contract_headers, without_method_overrides

# Parts of the event that we do not know are carried along untouched,
# read-only headers and later additions of AWS included.
Event = dict[str, Any]

PAYMENT_HEADER = "x402-payment"
# Of a standard facilitator.
X402_PAYMENT_HEADER = "payment-signature"
OVERRIDE_HEADER = "settlement-overrides"

# A function may not change these in a response, nor take them off.
_READ_ONLY = ("transfer-encoding", "via")


class ViewerRequest(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    forwarded: Event
    """The request for the origin, without contract headers that a client made up."""
    request_id: str | None

    @property
    def opens_websocket(self) -> bool:
        """CloudFront shows no function the Upgrade header."""
        return "sec-websocket-key" in self.headers


class OriginResponse(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Those of the request, as the origin saw it."""
    status: int | None
    request_id: str | None
    replayed: bool = False
    """The origin has answered from its record."""
    override: str | None = None
    """How much of the maximum the origin charges."""


def trigger(event: object) -> object:
    return _found(event, "config", "eventType")


def request_id(event: object) -> str | None:
    return _text(_found(event, "config", "requestId"))


def path(event: object) -> str | None:
    return _text(_found(event, "request", "uri"))


def origin(event: object) -> str | None:
    """The Origin header (the page that asks), not CloudFront's origin server."""
    return _text(_found(event, "request", "headers", "origin", 0, "value"))


def has_payment(event: object) -> bool:
    """For either facilitator: where settings cannot be read, it is not known which."""
    headers = (PAYMENT_HEADER, X402_PAYMENT_HEADER)
    return any(
        _found(event, "request", "headers", name) is not None for name in headers
    )


def untouched(event: object) -> object:
    """What to return to change nothing: the response, or else the request."""
    for part in ("response", "request"):
        found = _found(event, part)
        if found is not None:
            return found
    return event


def viewer_request(event: Event) -> ViewerRequest:
    request = event["Records"][0]["cf"]["request"]
    kept = without_contract_headers(request["headers"])
    return ViewerRequest(
        method=_required(request["method"]),
        path=_required(request["uri"]),
        query=_query(request),
        headers=_first_lines(kept),
        forwarded={**request, "headers": kept},
        request_id=request_id(event),
    )


def origin_response(event: Event) -> OriginResponse:
    cf = event["Records"][0]["cf"]
    request = cf["request"]
    return OriginResponse(
        method=_required(request["method"]),
        path=_required(request["uri"]),
        query=_query(request),
        headers=_joined_lines(request["headers"]),
        status=_status(cf["response"]["status"]),
        request_id=request_id(event),
        replayed=_line(event, "idempotent-replayed") == "true",
        override=_line(event, OVERRIDE_HEADER),
    )


def without_overrides(request: Event) -> Event:
    """Otherwise the gate would judge one method and the origin run another."""
    return {**request, "headers": without_method_overrides(request["headers"])}


def with_headers(request: Event, added: Mapping[str, str]) -> Event:
    return {**request, "headers": {**request["headers"], **_listed(added)}}


def generated_response(
    status: int, description: str, headers: Mapping[str, str], body: str
) -> Event:
    return {
        "status": str(status),
        "statusDescription": description,
        "headers": _listed(headers),
        "body": body,
    }


def in_place_of(event: Event, generated: Event) -> Event:
    """This response, and nothing of the origin's except the headers that must stay."""
    headers = event["Records"][0]["cf"]["response"]["headers"]
    kept = {name: headers[name] for name in headers if name.lower() in _READ_ONLY}
    return {**generated, "headers": {**kept, **generated["headers"]}}


def adjusted(event: Event, added: Mapping[str, str]) -> Event:
    """The response, with these headers, and without what is said to the gate alone."""
    response: Event = event["Records"][0]["cf"]["response"]
    headers = {**response["headers"], **_listed(added)}
    headers.pop(OVERRIDE_HEADER, None)
    return {**response, "headers": headers}


def _line(event: Event, name: str) -> str | None:
    """Of a header of the response; repeated, it says nothing that can be read."""
    lines = _found(event, "response", "headers", name)
    if not isinstance(lines, list) or not lines:
        return None
    return ", ".join(str(line["value"]) for line in lines)


def _found(event: Any, *keys: str | int) -> Any:
    try:
        found = event["Records"][0]["cf"]
        for key in keys:
            found = found[key]
    except (LookupError, TypeError):
        return None
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _required(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a method and a path are text")
    return value


def _query(request: Event) -> str:
    return _text(request.get("querystring")) or ""


def _first_lines(headers: Mapping[str, Any]) -> dict[str, str]:
    """Of a repeated line the first: two proofs joined would be none."""
    return {name.lower(): lines[0]["value"] for name, lines in headers.items() if lines}


def _joined_lines(headers: Mapping[str, Any]) -> dict[str, str]:
    """Repeated lines are joined by comma and space.
    No intent has a space in it, so a repeated intent is none."""
    lines: dict[str, list[str]] = {}
    for name, values in headers.items():
        lines.setdefault(name.lower(), []).extend(line["value"] for line in values)
    return {name: ", ".join(values) for name, values in lines.items()}


def _listed(headers: Mapping[str, str]) -> Event:
    return {
        name.lower(): [{"key": name, "value": value}] for name, value in headers.items()
    }


def _status(value: object) -> int | None:
    text = str(value)
    return int(text) if len(text) == 3 and text.isascii() and text.isdecimal() else None
