import json
from typing import Any

import pytest

from edge.runtime import refusal

REQUIREMENT: dict[str, object] = {
    "scheme": "exact",
    "network": "eip155:8453",
    "amountDisplay": "0.01",
    "eip712": {"name": "USD Coin", "version": "2"},
}


def body_of(response: Any) -> Any:
    return json.loads(response["body"])


@pytest.mark.parametrize(
    ("response", "status", "description"),
    [
        (refusal.ambiguous_path(), "400", "Bad Request"),
        (refusal.websocket(), "400", "Bad Request"),
        (refusal.payment_required("expired", None), "402", "Payment Required"),
        (refusal.unavailable(), "500", "Internal Server Error"),
    ],
)
def test_a_refusal_has_the_shape_of_a_generated_response(
    response: Any, status: str, description: str
) -> None:
    body = response.pop("body")
    assert isinstance(json.loads(body), dict)
    assert response == {
        "status": status,
        "statusDescription": description,
        "headers": {
            "content-type": [{"key": "Content-Type", "value": "application/json"}],
            "cache-control": [{"key": "Cache-Control", "value": "no-store"}],
        },
    }


def test_payment_required_says_what_to_pay() -> None:
    assert body_of(refusal.payment_required("expired", REQUIREMENT)) == {
        "status": "payment_required",
        "message": "x402 payment required to access this resource.",
        "requirement": REQUIREMENT,
        "reason": "expired",
    }


def test_unavailable_says_no_more_than_that() -> None:
    assert body_of(refusal.unavailable()) == {
        "error": "internal_error",
        "message": "Payment verification unavailable.",
    }


def test_an_ambiguous_path_is_named_as_such() -> None:
    assert body_of(refusal.ambiguous_path()) == {
        "error": "ambiguous_path",
        "message": "The path must be written in its plain form.",
    }


@pytest.mark.parametrize(
    "requirement",
    [
        {"a": "x" * 41_000},
        {"a": '"' * 19_000},  # quotes are escaped twice on the way out
        {"a": "ä" * 7_000},
        {"a": 1e999},
    ],
)
def test_a_requirement_that_does_not_fit_is_left_out(
    requirement: dict[str, object],
) -> None:
    response = refusal.payment_required("expired", requirement)
    assert body_of(response)["requirement"] is None
    assert body_of(response)["reason"] == "expired"
    assert response["status"] == "402"


def test_a_reason_that_does_not_fit_is_left_out_as_well() -> None:
    body = body_of(refusal.payment_required("x" * 41_000, REQUIREMENT))
    assert (body["requirement"], body["reason"]) == (None, None)


def test_the_largest_requirement_that_fits_is_kept() -> None:
    response = refusal.payment_required(None, {"a": "x" * 39_000})
    assert body_of(response)["requirement"] is not None
    assert len(json.dumps(response)) <= 40_000
