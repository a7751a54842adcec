"""Five minutes of log lines: an ordinary day, and the four days an alarm is for.

The lines have the fields that the gate writes; a test compares them with its own.
"""

from functools import cache
from typing import Any, NamedTuple

PAID = 350
UNPAID = 150

Lines = tuple[dict[str, Any], ...]


class Occasion(NamedTuple):
    """`happens` continues the sentence "an alarm fires when …"."""

    alarm: str
    line: str
    happens: str
    lines: Lines


@cache
def ordinary() -> Lines:
    return (*_verifies(), *_settles(), *_skipped())


@cache
def occasions() -> tuple[Occasion, ...]:
    return (
        Occasion(
            "verify-errors",
            "Alarm: verify error rate > 1 %",
            "2 % of the calls to verify fail",
            (*_verifies(failing=10), *_settles(), *_skipped()),
        ),
        Occasion(
            "verify-latency",
            "Alarm: verify p99 latency > 500 ms",
            "2 % of the calls to verify take 900 ms",
            (*_verifies(slow=10), *_settles(), *_skipped()),
        ),
        Occasion(
            "settle-errors",
            "Alarm: settle error rate > 5 %",
            "10 % of the calls to settle fail",
            (*_verifies(), *_settles(failing=35), *_skipped()),
        ),
        Occasion(
            "unpaid",
            "Alarm: spike of hasPaymentHeader: false",
            "ten times as many requests as usual come without a payment header",
            (*_verifies(unpaid=UNPAID * 10), *_settles(), *_skipped()),
        ),
    )


def _verifies(unpaid: int = UNPAID, failing: int = 0, slow: int = 0) -> Lines:
    asked = [_verify(number, valid=False, paid=False) for number in range(unpaid)]
    error = {"error": "verify answered 503"}
    failed = [_verify(n, valid=False) | error for n in range(failing)]
    late = [_verify(number) | {"latencyMs": 900} for number in range(slow)]
    good = [_verify(number) for number in range(PAID - failing - slow)]
    return (*asked, *failed, *late, *good)


def _verify(number: int, *, valid: bool = True, paid: bool = True) -> dict[str, Any]:
    return {
        "ts": _TIME,
        "eventType": "verify",
        "path": "/api/joke",
        "resourceId": "joke-endpoint",
        "settlementIntentId": f"intent-{number}" if valid else None,
        "valid": valid,
        "latencyMs": 60 + number % 80,
        "requestId": f"request-{number}",
        "hasPaymentHeader": paid,
    }


def _settles(failing: int = 0) -> Lines:
    error = {"settled": False, "settledAt": None, "error": "internal_error"}
    failed = [_settle(number) | error for number in range(failing)]
    return (*failed, *(_settle(number) for number in range(PAID - failing)))


def _settle(number: int) -> dict[str, Any]:
    return {
        "ts": _TIME,
        "eventType": "settle",
        "path": "/api/joke",
        "resourceId": "joke-endpoint",
        "settlementIntentId": f"intent-{number}",
        "originStatus": 200,
        "settled": True,
        "settledAt": _TIME,
        "latencyMs": 50 + number % 60,
        "requestId": f"request-{number}",
    }


def _skipped() -> Lines:
    line = {
        "ts": _TIME,
        "eventType": "settle_skipped",
        "path": "/api/joke",
        "settlementIntentId": "intent-0",
        "reason": "origin returned 503",
        "originStatus": 503,
        "requestId": "request-0",
    }
    return (line,) * 10


_TIME = "2026-02-07T08:12:34.567Z"
