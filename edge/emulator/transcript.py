"""What happened to one request, for a person: one line, and one for each step.

    POST /premium/report → 201, 350 ms
        viewer-request   paid: intent si_1, premium (9 ms)
        origin           201 (310 ms)
        origin-response  settled (7 ms)

What the gate did is read from its own log lines. Other lines that the function wrote
are shown as they are.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from .messages import Request, Response

WIDTH = len("origin-response")


class Transcript:
    """The steps of one request, in the order in which they end."""

    def __init__(self, request: Request) -> None:
        target = request.target.decode("ascii", "backslashreplace")
        self._request = f"{request.method} {target}"
        self._begun = self._lap = time.monotonic()
        self._lines: list[str] = []

    def add(self, step: str, what: str) -> None:
        """A step took the time since the one before."""
        before, self._lap = self._lap, time.monotonic()
        took = _milliseconds(self._lap - before)
        self._lines.append(f"{step:{WIDTH}}  {what} ({took})")

    def viewer_request(
        self, log: Sequence[str], outcome: Request | Response | None
    ) -> None:
        """`outcome` is None if the function failed."""
        match _event(log), outcome:
            case _, None:
                what = "failed"
            case {"valid": True, "settlementIntentId": intent, "resourceId": name}, _:
                what = f"paid: intent {intent}, {name}"
            case event, Response(status, _, _, body):
                reason = event.get("error") or event.get("reason") or _reason(body)
                what = f"answers {status}" + (f": {reason}" if reason else "")
            case _:
                what = "free: passed on"
        self._function("viewer-request", log, what)

    def origin_response(self, log: Sequence[str], returned: bool) -> None:
        """`returned` is false if the function failed."""
        match _event(log):
            case _ if not returned:
                what = "failed"
            case {"settled": True}:
                what = "settled"
            case {"eventType": "settle_skipped", "reason": reason}:
                what = f"not settled: {reason}"
            case {"eventType": "settle", "error": error}:
                what = f"settlement failed: {error}"
            case _:
                what = "nothing to settle"
        self._function("origin-response", log, what)

    def text(self, status: int) -> str:
        """All of it, when the viewer has got this status."""
        took = _milliseconds(time.monotonic() - self._begun)
        lines = (f"    {line}" for line in self._lines)
        return "\n".join((f"{self._request} → {status}, {took}", *lines))

    def _function(self, trigger: str, log: Sequence[str], what: str) -> None:
        self.add(trigger, what)
        printed = [line for line in log if not _parsed(line)]
        self._lines.extend(f"{'':{WIDTH}}  | {line}" for line in printed)


def _event(log: Sequence[str]) -> dict[str, Any]:
    """The gate's own account: one event for each invocation, or none."""
    return next(filter(None, map(_parsed, log)), {})


def _parsed(line: str) -> dict[str, Any]:
    """A log line of the gate; empty for any other line."""
    value = _json(line)
    return value if isinstance(value, dict) and "eventType" in value else {}


def _reason(body: bytes) -> object:
    """Why the gate refuses, from its answer."""
    value = _json(body)
    if not isinstance(value, dict):
        return None
    return value.get("reason") or value.get("error")


def _json(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
