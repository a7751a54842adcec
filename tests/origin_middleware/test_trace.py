"""The trace of a request, as its record keeps it."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from origin_middleware.record import NO_TRACE
from origin_middleware.trace import trace_of

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{ID}-{SPAN}-01", bytes.fromhex(f"{ID}{SPAN}01")),
        (f"00-{ID}-{SPAN}-00", bytes.fromhex(f"{ID}{SPAN}00")),
        (f"cc-{ID}-{SPAN}-01-more", bytes.fromhex(f"{ID}{SPAN}01")),
        (f"ff-{ID}-{SPAN}-01", NO_TRACE),
        (f"00-{'0' * 32}-{SPAN}-01", NO_TRACE),
        (f"00-{ID}-{'0' * 16}-01", NO_TRACE),
        (f"00-{ID.upper()}-{SPAN}-01", NO_TRACE),
        ("", NO_TRACE),
    ],
)
def test_what_the_client_sent(sent: str, kept: bytes) -> None:
    assert trace_of({b"traceparent": sent.encode()}) == kept


def test_the_current_span_comes_first() -> None:
    sent = {b"traceparent": f"00-{ID}-{SPAN}-01".encode()}
    with TracerProvider().get_tracer("test").start_as_current_span("serve") as span:
        context = span.get_span_context()
        kept = trace_of(sent)
    flags = f"{int(context.trace_flags):02x}"
    assert kept.hex() == f"{context.trace_id:032x}{context.span_id:016x}{flags}"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_request_without_any() -> None:
    assert trace_of({}) == NO_TRACE
