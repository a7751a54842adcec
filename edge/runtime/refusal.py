"""The answers the edge gives itself: 400, 402 and 500."""

import json
from collections.abc import Mapping

from .cloudfront import Event, generated_response

# CloudFront's limit for a generated viewer response is 40 KB, headers and body.
# It is measured as it is returned, quotes escaped: the largest way to count it.
LARGEST_RESPONSE = 40_000

HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def ambiguous_path() -> Event:
    body = {
        "error": "ambiguous_path",
        "message": "The path must be written in its plain form.",
    }
    return generated_response(400, "Bad Request", HEADERS, _json(body))


def websocket() -> Event:
    """Opening one is answered 101, which is not delivered: it would be verified and
    never settled, and one proof would open any number of them."""
    body = {
        "error": "websocket",
        "message": "A paid path answers requests. It opens no WebSocket.",
    }
    return generated_response(400, "Bad Request", HEADERS, _json(body))


def unavailable() -> Event:
    body = {"error": "internal_error", "message": "Payment verification unavailable."}
    return generated_response(500, "Internal Server Error", HEADERS, _json(body))


def payment_required(
    reason: str | None, requirement: Mapping[str, object] | None
) -> Event:
    """Both come from outside: what is too large, or no JSON (1e999), is left out."""
    return (
        _payment_required(reason, requirement)
        or _payment_required(reason, None)
        or _payment_required(None, None)
        or unavailable()
    )


def _payment_required(
    reason: str | None, requirement: Mapping[str, object] | None
) -> Event | None:
    body = {
        "status": "payment_required",
        "message": "x402 payment required to access this resource.",
        "requirement": requirement,
        "reason": reason,
    }
    try:
        response = generated_response(402, "Payment Required", HEADERS, _json(body))
    except ValueError:
        return None
    return response if len(json.dumps(response)) <= LARGEST_RESPONSE else None


def _json(body: Mapping[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), allow_nan=False)
