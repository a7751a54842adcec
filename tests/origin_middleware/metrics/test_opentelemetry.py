"""What an OpenTelemetry collector gets, over OTLP, while a story is played."""

import asyncio
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from origin_middleware.events import StoreCalled
from origin_middleware.metrics import ACTIVE, ANOMALIES, METRICS, RULINGS, STORE
from origin_middleware.opentelemetry import OpenTelemetryObserver
from tests.support.running import serving
from tests.support.servers import RedisServer, running, valkey

from .shop import observed
from .story import INTENT, play

_REQUESTS: dict[str, type] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Collector:
    """What has come in."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.logs: list[Any] = []

    def take(self, path: str, body: bytes) -> None:
        request = _REQUESTS[path]()
        request.ParseFromString(body)
        for resource in getattr(request, f"resource_{path.rpartition('/')[2]}", ()):
            self._keep(resource)
        for resource in getattr(request, "resource_spans", ()):
            self.spans += [s for scope in resource.scope_spans for s in scope.spans]

    def _keep(self, resource: Any) -> None:
        for scope in getattr(resource, "scope_metrics", ()):
            self.metrics |= {metric.name: metric for metric in scope.metrics}
        for scope in getattr(resource, "scope_logs", ()):
            self.logs += scope.log_records

    def of(self, name: str) -> dict[tuple[str, ...], Any]:
        """The data points of a metric, by their attributes."""
        metric = self.metrics[name]
        points = getattr(metric, metric.WhichOneof("data")).data_points
        return {_attributes(point): point for point in points}


def _attributes(of: Any) -> tuple[str, ...]:
    return tuple(sorted(f"{a.key}={_value(a.value)}" for a in of.attributes))


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def collected() -> Iterator[Collector]:
    """After the story, and after everything has been exported."""
    with collecting() as (collector, url), running(valkey()) as redis:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SHOP_STORE", redis.url)
            asyncio.run(_played(redis, url))
        yield collector


async def _played(redis: RedisServer, collector: str) -> None:
    exporter = OTLPMetricExporter(f"{collector}/v1/metrics")
    metrics = MeterProvider([PeriodicExportingMetricReader(exporter, 3.6e6)])
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces"))
    )
    logs.add_log_record_processor(
        SimpleLogRecordProcessor(OTLPLogExporter(endpoint=f"{collector}/v1/logs"))
    )
    observer = OpenTelemetryObserver(
        meter_provider=metrics, tracer_provider=traces, logger_provider=logs
    )
    app = OpenTelemetryMiddleware(
        observed(observer),
        exclude_spans=["send", "receive"],
        tracer_provider=traces,
    )
    with serving(app) as server:
        async with httpx.AsyncClient(base_url=server, timeout=20) as http:
            await play(http, redis)
    await asyncio.to_thread(metrics.shutdown)
    await asyncio.to_thread(traces.shutdown)
    await asyncio.to_thread(logs.shutdown)


def test_every_metric_arrives(collected: Collector) -> None:
    names = {f"origin_middleware.{m.name}" for m in METRICS if m is not STORE}
    names |= {f"origin_middleware.{ACTIVE.name}", "db.client.operation.duration"}
    assert set(collected.metrics) == names
    units = {name: metric.unit for name, metric in collected.metrics.items()}
    assert units["origin_middleware.handler.duration"] == "s"
    assert units["origin_middleware.recorded.size"] == "By"
    requests = collected.of("origin_middleware.requests")
    assert requests["outcome=executed", "policy=jokes"].as_int == 2
    assert requests["outcome=replayed", "policy=jokes"].as_int == 2
    refused = "outcome=refused", "policy=jokes", "reason=different-request"
    assert requests[refused].as_int == 1
    claims = collected.of("db.client.operation.duration")[
        "db.operation.name=EVALSHA",
        "db.stored_procedure.name=claim",
        "db.system.name=redis",
    ]
    assert claims.count > 0
    assert list(claims.explicit_bounds) == list(STORE.buckets)
    running = collected.of("origin_middleware.handler.active")
    assert {point.as_int for point in running.values()} == {0}


def test_the_servers_spans_say_what_happened(collected: Collector) -> None:
    told = defaultdict(list)
    for span in collected.spans:
        facts = dict(each.split("=", 1) for each in _attributes(span))
        told[facts.get("origin_middleware.outcome", "")].append((span, facts))
    _, facts = told["executed"][0]
    assert facts["origin_middleware.attempt"] == "1"
    assert facts["origin_middleware.kept"] == "True"
    assert len(facts["origin_middleware.key.digest"]) == 64
    # A replay links to the execution whose response it is.
    ids = {span.span_id: facts for span, facts in told["executed"]}
    for replay, replayed in told["replayed"]:
        (link,) = replay.links
        executed = ids[link.span_id]
        digest = "origin_middleware.key.digest"
        assert executed[digest] == replayed[digest]
        assert "origin_middleware.link=replayed" in _attributes(link)
    of_refusals = {
        facts["origin_middleware.refusal"]: span for span, facts in told["refused"]
    }
    (held,) = of_refusals["different-request"].links
    assert held.span_id in ids
    assert "origin_middleware.link=holds the key" in _attributes(held)
    taken = [link for span, _ in told["executed"] for link in span.links]
    assert [_attributes(link) for link in taken] == [
        ("origin_middleware.link=abandoned",)
    ]
    assert taken[0].span_id in ids
    refusals = set(of_refusals)
    assert {"different-request", "key-missing", "store-unavailable"} <= refusals


def test_a_wait_is_a_span_of_its_own(collected: Collector) -> None:
    waits = [s for s in collected.spans if s.name == "origin_middleware wait"]
    (wait,) = waits
    parents = {span.span_id: span for span in collected.spans}
    server = parents[wait.parent_span_id]
    seconds = (wait.end_time_unix_nano - wait.start_time_unix_nano) / 1e9
    assert 0.1 < seconds < 20
    assert server.start_time_unix_nano <= wait.start_time_unix_nano


def test_anomalies_are_log_events_in_their_trace(collected: Collector) -> None:
    names = {record.event_name.rpartition(".")[2] for record in collected.logs}
    # Whether its lease is found lost before it ends, the machine decides.
    assert names - {"lease_lost"} == {"ran_unprotected", "superseded"}
    traces = {span.trace_id for span in collected.spans}
    assert {record.trace_id for record in collected.logs} <= traces


def test_no_key_is_shown(collected: Collector) -> None:
    everything = str((collected.spans, collected.metrics, collected.logs))
    assert "jokes" in everything
    assert INTENT not in everything


# Without a collector.


def counted(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """The data points of each metric."""
    data = reader.get_metrics_data()
    return {
        metric.name: list(metric.data.data_points)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_what_an_alert_waits_for_begins_at_zero() -> None:
    """Or the first anomaly of a process would be no increase."""
    reader = InMemoryMetricReader()
    OpenTelemetryObserver(meter_provider=MeterProvider([reader]))
    found = counted(reader)
    for metric in (ANOMALIES, RULINGS):
        zeros = found[f"origin_middleware.{metric.name}"]
        assert {
            point.attributes["kind"]: point.value for point in zeros
        } == dict.fromkeys(metric.known, 0)


_LATE = """
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from origin_middleware.events import StoreCalled
from origin_middleware.opentelemetry import OpenTelemetryObserver

observer, reader = OpenTelemetryObserver(), InMemoryMetricReader()
set_meter_provider(MeterProvider([reader]))
observer(StoreCalled("check", 0.1))
print(reader.get_metrics_data().to_json())
"""


def test_it_begins_at_zero_where_the_provider_is_set_later() -> None:
    """As in an app that sets it when it starts. A process has one global provider."""
    command = [sys.executable, "-c", _LATE]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert '"kind": "superseded"' in told


def test_a_call_of_the_store_is_described_as_the_conventions_say() -> None:
    """Semantic conventions, "Database client metrics"."""
    reader = InMemoryMetricReader()
    observer = OpenTelemetryObserver(meter_provider=MeterProvider([reader]))
    observer(StoreCalled("claim", 0.1))
    observer(StoreCalled("claim", 1.0, "timeout"))
    observer(StoreCalled("check", 0.1))
    claim = {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": "claim",
    }
    calls = counted(reader)["db.client.operation.duration"]
    assert [(dict(call.attributes), call.count) for call in calls] == [
        (claim, 1),
        (claim | {"error.type": "timeout"}, 1),
        ({"db.system.name": "redis"}, 1),  # no one command, and no script
    ]
