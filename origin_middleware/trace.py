"""The trace that a request belongs to, for its record: W3C Trace Context."""

import re
import sys
from collections.abc import Mapping
from typing import Any

from .record import NO_TRACE

# W3C Trace Context, section 3.2: version, trace id, span id, flags.
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})"
)


def trace_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The current span of OpenTelemetry, if something makes spans in this process; else
    what the client sent; else NO_TRACE."""
    modules = sys.modules
    if "opentelemetry.sdk.trace" in modules or "ddtrace.opentelemetry" in modules:
        current = _current(modules["opentelemetry.trace"])
        if current is not None:
            return current
    sent = headers.get(b"traceparent")
    return NO_TRACE if sent is None else _parsed(sent)


def _current(api: Any) -> bytes | None:
    context = api.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    trace: bytes = context.trace_id.to_bytes(16, "big")
    span: bytes = context.span_id.to_bytes(8, "big")
    return trace + span + bytes([context.trace_flags & 0xFF])


def _parsed(traceparent: bytes) -> bytes:
    found = _TRACEPARENT.fullmatch(traceparent[:55])
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return NO_TRACE
    return bytes.fromhex(b"".join(found.groups()).decode())
