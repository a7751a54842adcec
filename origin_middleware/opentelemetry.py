"""Metrics, traces and log events for OpenTelemetry. Only its API is needed: the app
chooses what exports them.

    telemetry = OpenTelemetryObserver()
    store = RedisStore(client, observer=telemetry)
    app.add_middleware(
        IdempotencyMiddleware, store=store, observer=[telemetry, LoggingObserver()]
    )

There is no span around the handler: the server's span is current when an event is told,
and gets the attributes. Nothing goes into baggage, because that travels to third
parties.
"""

import time
from typing import Any

try:
    from opentelemetry._logs import (
        LoggerProvider,
        LogRecord,
        SeverityNumber,
        get_logger,
    )
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import (
        Span,
        SpanContext,
        SpanKind,
        TraceFlags,
        TracerProvider,
        get_current_span,
        get_tracer,
    )
except ImportError as missing:
    raise ImportError(
        f"origin_middleware.opentelemetry needs {missing.name}: "
        "pip install 'origin-middleware[opentelemetry]'"
    ) from missing

from .errors import StoreFailure
from .events import (
    ALARMS,
    Event,
    Executed,
    Refused,
    Replayed,
    Started,
    StoreCalled,
    TakenOver,
)
from .key import key_digest
from .metrics import (
    ACTIVE,
    METRICS,
    PREFIX,
    REQUESTS,
    STORE,
    Metric,
    active,
    measured,
)
from .record import NO_TRACE

_NAME = "origin_middleware"

# Semantic conventions, "Database client metrics": they have a name for a call already.
_STORE_NAME = "db.client.operation.duration"


class OpenTelemetryObserver:
    """An observer for any number of middlewares and stores; docs/metrics.md says what
    it makes. A provider that you do not pass is the global one.
    """

    def __init__(
        self,
        *,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self._meter = get_meter(_NAME, meter_provider=meter_provider)
        self._tracer = get_tracer(_NAME, tracer_provider=tracer_provider)
        self._logger = get_logger(_NAME, logger_provider=logger_provider)
        self._record = {each: self._instrument(each) for each in METRICS}
        self._active = self._meter.create_up_down_counter(
            PREFIX + ACTIVE.name, ACTIVE.unit, ACTIVE.description
        )
        self._attributes: dict[object, dict[str, str]] = {}
        self._begin_at_zero()

    def __call__(self, event: Event | StoreCalled, /) -> None:
        if not self._attributes:  # the first event: the provider may be new
            self._begin_at_zero()
        outcome = None
        failure = event.failure if isinstance(event, StoreCalled) else None
        for metric, value, labels in measured(event):
            outcome = labels[0] if metric is REQUESTS else outcome
            self._record[metric](value, self._attributes_of(metric, labels, failure))
        if isinstance(event, StoreCalled):
            return
        if change := active(event):
            self._active.add(change, {"policy": event.policy})
        span = get_current_span()
        if span.is_recording():
            self._describe(span, event, outcome)
        if isinstance(event, ALARMS):
            self._log(event)

    def _instrument(self, metric: Metric) -> Any:
        name = _STORE_NAME if metric is STORE else PREFIX + metric.name
        unit, text, meter = metric.unit, metric.description, self._meter
        if not metric.buckets:
            return meter.create_counter(name, unit, text).add
        buckets = metric.buckets
        histogram = meter.create_histogram(
            name, unit, text, explicit_bucket_boundaries_advisory=buckets
        )
        return histogram.record

    def _begin_at_zero(self) -> None:
        """What `Metric.known` asks for."""
        for metric in METRICS:
            for value in metric.known:
                self._record[metric](0, {metric.labels[0]: value})

    def _attributes_of(
        self, metric: Metric, labels: tuple[str, ...], failure: StoreFailure | None
    ) -> dict[str, str]:
        known = self._attributes.get((metric, labels, failure))
        if known is None:
            pairs = zip(metric.labels, labels, strict=True)
            known = {name: value for name, value in pairs if value}
            if metric is STORE:
                known = _store_call(labels[0], failure)
            self._attributes[metric, labels, failure] = known
        return known

    def _describe(self, span: Span, event: Event, outcome: str | None) -> None:
        """The server's span, which is about the whole request."""
        said: dict[str, str | bool | float | None] = {
            "outcome": outcome,
            "policy": event.policy,
            "key.digest": key_digest(event.key) if event.key else None,
        }
        match event:
            case Started(attempt=attempt, waited=waited):
                said["attempt"] = attempt
                self._waited(waited)
            case Executed(kept=kept):
                said["kept"] = kept
            case Replayed(waited=waited, trace=trace):
                said["waited"] = waited
                self._waited(waited)
                _link(span, trace, "replayed")
            case Refused(refusal=refusal, waited=waited, trace=trace):
                said["waited"] = waited
                said["refusal"] = refusal.value
                self._waited(waited)
                _link(span, trace, "holds the key")
            case TakenOver(trace=trace):
                _link(span, trace, "abandoned")
        for name, value in said.items():
            if value is not None:
                span.set_attribute(PREFIX + name, value)

    def _waited(self, seconds: float) -> None:
        """A span for what would be a gap: it is known when it is over."""
        if seconds > 0:
            end = time.time_ns()
            begun = end - int(seconds * 1e9)
            name = "origin_middleware wait"
            span = self._tracer.start_span(
                name, kind=SpanKind.INTERNAL, start_time=begun
            )
            span.end(end)

    def _log(self, event: Event) -> None:
        name = "".join(
            f"_{each.lower()}" if each.isupper() else each
            for each in type(event).__name__
        ).lstrip("_")
        key = event.key
        self._logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.WARN,
                severity_text="WARN",
                event_name=PREFIX + name,
                attributes={
                    PREFIX + "key.digest": key_digest(key) if key else "none",
                    PREFIX + "policy": event.policy,
                },
            )
        )


def _store_call(operation: str, failure: StoreFailure | None) -> dict[str, str]:
    """The attributes that the semantic conventions ask for."""
    attributes = {"db.system.name": "redis"}
    if operation != "check":  # which sends several commands
        attributes["db.operation.name"] = "EVALSHA"
        attributes["db.stored_procedure.name"] = operation
    if failure is not None:
        attributes["error.type"] = failure
    return attributes


def _link(span: Span, trace: bytes, kind: str) -> None:
    """To the attempt whose record it is."""
    if trace == NO_TRACE:
        return
    context = SpanContext(
        int.from_bytes(trace[:16], "big"),
        int.from_bytes(trace[16:24], "big"),
        is_remote=True,
        trace_flags=TraceFlags(trace[24]),
    )
    span.add_link(context, {PREFIX + "link": kind})
