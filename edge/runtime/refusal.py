"""The answers the edge gives itself: 400, 402 and 500.

Each takes the headers by which a page of another origin may read it.
"""

import json
from collections.abc import Mapping, Sequence

from .cloudfront import Event, generated_response

# CloudFront's limit for a generated viewer response is 40 KB, headers and body.
# It is measured as it is returned, quotes escaped: the largest way to count it.
LARGEST_RESPONSE = 40_000

HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_NOBODY: Mapping[str, str] = {}

# The headers that a wallet in a page reads: the two of x402, and one for the operator.
_EXPOSED = "payment-required, payment-response, retry-after, x-amz-cf-id"


def cors(allowed: Sequence[str], origin: str | None) -> Mapping[str, str]:
    """Without them a browser shows its page an error, and not what to pay."""
    if not allowed:
        return _NOBODY
    headers = {"Access-Control-Expose-Headers": _EXPOSED}
    if "*" in allowed:
        return headers | {"Access-Control-Allow-Origin": "*"}
    if origin is None or origin not in allowed:
        return {"Vary": "Origin"}
    return headers | {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def ambiguous_path(cors: Mapping[str, str] = _NOBODY) -> Event:
    body = {
        "error": "ambiguous_path",
        "message": "The path must be written in its plain form.",
    }
    return generated_response(400, "Bad Request", {**HEADERS, **cors}, _json(body))


def websocket(cors: Mapping[str, str] = _NOBODY) -> Event:
    """Opening one is answered 101, which is not delivered: it would be verified and
    never settled, and one proof would open any number of them."""
    body = {
        "error": "websocket",
        "message": "A paid path answers requests. It opens no WebSocket.",
    }
    return generated_response(400, "Bad Request", {**HEADERS, **cors}, _json(body))


def unavailable(cors: Mapping[str, str] = _NOBODY) -> Event:
    body = {"error": "internal_error", "message": "Payment verification unavailable."}
    headers = {**HEADERS, **cors}
    return generated_response(500, "Internal Server Error", headers, _json(body))


def payment_required(
    reason: str | None,
    requirement: Mapping[str, object] | None,
    cors: Mapping[str, str] = _NOBODY,
) -> Event:
    """Both come from outside. Too large, or no JSON (1e999): left out."""
    return (
        _payment_required(reason, requirement, cors)
        or _payment_required(reason, None, cors)
        or _payment_required(None, None, cors)
        or unavailable(cors)
    )


def demand(headers: Mapping[str, str], cors: Mapping[str, str] = _NOBODY) -> Event:
    """x402 v2: all of it is in the headers."""
    told = {**HEADERS, **headers, **cors}
    return generated_response(402, "Payment Required", told, "{}")


def malformed(reason: str, cors: Mapping[str, str] = _NOBODY) -> Event:
    body = {"error": "malformed_payment", "message": reason}
    return generated_response(400, "Bad Request", {**HEADERS, **cors}, _json(body))


def unpayable(cors: Mapping[str, str] = _NOBODY) -> Event:
    body = {"error": "not_settled", "message": "Nothing was charged for this."}
    headers = {**HEADERS, **cors}
    return generated_response(500, "Internal Server Error", headers, _json(body))


def unsettled(cors: Mapping[str, str] = _NOBODY) -> Event:
    """No demand: another payment would be a second one."""
    body = {
        "error": "settlement_unknown",
        "message": "It is unknown whether the payment is made. Retry with the same.",
    }
    headers = {**HEADERS, "Retry-After": "5", **cors}
    return generated_response(503, "Service Unavailable", headers, _json(body))


def _payment_required(
    reason: str | None,
    requirement: Mapping[str, object] | None,
    cors: Mapping[str, str],
) -> Event | None:
    body = {
        "status": "payment_required",
        "message": "x402 payment required to access this resource.",
        "requirement": requirement,
        "reason": reason,
    }
    try:
        headers = {**HEADERS, **cors}
        response = generated_response(402, "Payment Required", headers, _json(body))
    except ValueError:
        return None
    return response if len(json.dumps(response)) <= LARGEST_RESPONSE else None


def _json(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), allow_nan=False)
