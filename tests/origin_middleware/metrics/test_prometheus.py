"""What a Prometheus scrapes, while a story is played, and from two workers."""

import asyncio
import re
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    events,
)
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.decision import Refusal
from origin_middleware.errors import StoreFailure
from origin_middleware.events import Event, StoreCalled
from origin_middleware.key import Key
from origin_middleware.metrics import METRICS
from origin_middleware.prometheus import PrometheusObserver
from origin_middleware.record import Evidence
from tests.support.asgi import chunk, request, start
from tests.support.running import serving
from tests.support.servers import RedisServer

from .shop import shop
from .story import INTENT, play

KEY = Key("an-intent-that-nobody-may-see")

Samples = dict[str, dict[tuple[str, ...], float]]


def samples(text: str) -> Samples:
    """By name, and by the values of their labels."""
    found: Samples = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            labels = sorted(f"{name}={value}" for name, value in each.labels.items())
            found[each.name][tuple(labels)] = each.value
    return found


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def observer(registry: CollectorRegistry) -> PrometheusObserver:
    return PrometheusObserver(registry)


def scraped(registry: CollectorRegistry) -> Samples:
    return samples(generate_latest(registry).decode())


def told() -> Iterator[Event | StoreCalled]:
    """Every event, with every value that a label has."""
    yield events.Started(KEY, 1, policy="orders")
    yield events.Started(KEY, 2, 1.5, policy="orders")
    yield events.Executed(KEY, 200, 0.2, size=300, policy="orders")
    yield events.Executed(KEY, 200, 0.2, kept=False, policy="orders")
    for released in (True, False):
        yield events.Started(KEY, 1)
        yield events.Failed(KEY, 500, released, 0.1)
    yield events.Replayed(KEY, 0.0)
    yield events.Replayed(KEY, 2.0)
    for refusal in Refusal:
        yield events.Refused(KEY, refusal, 0.5)
    yield events.TakenOver(KEY)
    yield from (events.Reconciled(KEY, to) for to in ("execute", "refuse", "respond"))
    yield events.RanUnprotected(KEY)
    yield events.NotRecorded(KEY)
    yield events.RecordedLate(KEY)
    yield from (events.Started(KEY, 1) for _ in range(4))
    for evidence in (Evidence.CLAIM_LOST, Evidence.CLAIM_TAKEN):
        yield events.ClaimMissing(KEY, evidence, 200, 0.1)
    yield events.Superseded(KEY, status=200)
    yield events.Superseded(KEY, status=None)
    yield events.LeaseLost(KEY)
    yield events.Undelivered(KEY, 200, 0.1)
    yield events.FailedAfterRecord(KEY, 200)
    yield StoreCalled("claim", 0.0003)
    failures = StoreFailure.__args__  # type: ignore[attr-defined] # of the Literal
    yield from (StoreCalled("complete", 1.0, failure) for failure in failures)


def test_every_event_is_counted_once(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    for event in told():
        observer(event)
    found = scraped(registry)
    requests = found["origin_middleware_requests_total"]
    assert requests["outcome=executed", "policy=orders", "reason="] == 2
    assert requests["outcome=executed", "policy=default", "reason="] == 3
    assert requests["outcome=failed", "policy=default", "reason=released"] == 1
    assert requests["outcome=failed", "policy=default", "reason=kept"] == 1
    assert requests["outcome=replayed", "policy=default", "reason="] == 2
    assert requests["outcome=unprotected", "policy=default", "reason="] == 1
    refusals = {f"reason={refusal.value}" for refusal in Refusal}
    assert {r for o, _, r in requests if o == "outcome=refused"} == refusals
    starts = found["origin_middleware_handler_starts_total"]
    assert starts["attempt=first", "policy=orders"] == 1
    assert starts["attempt=again", "policy=orders"] == 1
    waits = found["origin_middleware_wait_duration_seconds_count"]
    assert waits["outcome=executed",] == 1
    assert waits["outcome=replayed",] == 1
    assert waits["outcome=refused",] == len(Refusal)
    anomalies = found["origin_middleware_anomalies_total"]
    assert anomalies["kind=superseded",] == 2
    assert {kind for (kind,), times in anomalies.items() if times} == {
        *("kind=superseded", "kind=claim_lost", "kind=claim_taken", "kind=lease_lost"),
        *("kind=not_recorded", "kind=recorded_late"),
        *("kind=undelivered", "kind=failed_after_record"),
    }
    rulings = found["origin_middleware_rulings_total"]
    assert {kind for (kind,), times in rulings.items() if times} == {
        *("kind=policy", "kind=execute", "kind=refuse", "kind=respond")
    }
    sizes = found["origin_middleware_recorded_size_bytes_sum"]
    assert sizes == {("kept=yes",): 300, ("kept=no",): 0}
    store = found["origin_middleware_store_duration_seconds_count"]
    assert store["operation=claim",] == 1
    errors = found["origin_middleware_store_errors_total"]
    assert errors["error=timeout", "operation=complete"] == 1
    active = found["origin_middleware_handler_active"]
    assert active == {("policy=orders",): 0, ("policy=default",): 1}  # its process died


def test_no_key_and_no_unit_is_missing_or_shown(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    for event in told():
        observer(event)
    text = generate_latest(registry).decode()
    assert KEY not in text
    # One policy more is so many series more: OPERATIONS's budget is 60.
    of_orders = [line for line in text.splitlines() if 'policy="orders"' in line]
    assert len(of_orders) <= 60
    names = set(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert {name for name in names if not name[0].endswith("_created")} == {
        ("origin_middleware_requests_total", "counter"),
        ("origin_middleware_handler_starts_total", "counter"),
        ("origin_middleware_handler_duration_seconds", "histogram"),
        ("origin_middleware_wait_duration_seconds", "histogram"),
        ("origin_middleware_anomalies_total", "counter"),
        ("origin_middleware_rulings_total", "counter"),
        ("origin_middleware_recorded_size_bytes", "histogram"),
        ("origin_middleware_store_duration_seconds", "histogram"),
        ("origin_middleware_store_errors_total", "counter"),
        ("origin_middleware_handler_active", "gauge"),
    }


def test_what_an_alert_waits_for_begins_at_zero(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    """Or the first anomaly of a process would be no increase."""
    anomalies = scraped(registry)["origin_middleware_anomalies_total"]
    assert anomalies["kind=superseded",] == 0
    observer(events.Superseded(KEY, status=200))
    assert scraped(registry)["origin_middleware_anomalies_total"]["kind=superseded",]


async def test_an_event_stream_is_counted_until_its_headers(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    """And the help says so."""
    counted = list[tuple[float | None, float | None]]()

    def count() -> None:
        active = registry.get_sample_value(f"{name}_active", {"policy": "default"})
        labels = {"outcome": "executed", "policy": "default"}
        ended = registry.get_sample_value(f"{name}_duration_seconds_count", labels)
        counted.append((active, ended))

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        count()
        await send(start(headers=[(b"content-type", b"text/event-stream")]))
        count()
        await send(chunk(b"data: 1\n\n"))

    name = "origin_middleware_handler"
    await request(IdempotencyMiddleware(stream, store=MemoryStore(), observer=observer))
    assert counted == [(1, None), (0, 1)]
    text = generate_latest(registry).decode()
    for metric in ("active", "duration_seconds"):
        (helps,) = re.findall(f"^# HELP {name}_{metric} (.*)$", text, re.MULTILINE)
        assert "until their response" in helps


def test_a_second_observer_for_one_registry_is_refused(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    with pytest.raises(ConfigurationError, match="Make one observer"):
        PrometheusObserver(registry)


# A real scrape.


async def test_a_scrape_after_a_story_has_every_metric(redis: RedisServer) -> None:
    with serving(shop()) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            await play(http, redis)
            text = (await http.get("/metrics/")).text
    assert INTENT not in text
    found = samples(text)
    for metric in METRICS:
        name = "origin_middleware_" + metric.name.replace(".", "_")
        assert any(values for series, values in found.items() if name in series), name
    requests = found["origin_middleware_requests_total"]
    assert requests["outcome=executed", "policy=jokes", "reason="] == 2
    assert requests["outcome=replayed", "policy=jokes", "reason="] == 2
    assert requests["outcome=failed", "policy=jokes", "reason=released"] == 1
    assert requests["outcome=refused", "policy=jokes", "reason=different-request"] == 1
    assert requests["outcome=refused", "policy=jokes", "reason=key-missing"] == 1
    assert requests["outcome=refused", "policy=jokes", "reason=store-unavailable"] == 1
    assert requests["outcome=unprotected", "policy=risky", "reason="] == 1
    assert found["origin_middleware_anomalies_total"]["kind=superseded",] == 1
    assert found["origin_middleware_rulings_total"]["kind=policy",] == 1
    starts = found["origin_middleware_handler_starts_total"]
    assert starts["attempt=again", "policy=again"] == 1
    errors = found["origin_middleware_store_errors_total"]
    assert {operation for _, operation in errors} == {"operation=claim"}
    assert found["origin_middleware_handler_active"]["policy=jokes",] == 0


# Several processes.


@contextmanager
def two_workers(redis: RedisServer, directory: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = f"{__package__}.shop:shop"
        options = ["--factory", "--workers", "2", "--log-level", "error"]
        options += ["--fd", str(listening.fileno())]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", app, *options],
            env={
                "SHOP_STORE": redis.url,
                "PROMETHEUS_MULTIPROC_DIR": str(directory),
                "PYTHONPATH": ".",
            },
            pass_fds=[listening.fileno()],
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait()


async def test_two_workers_are_scraped_as_one(
    redis: RedisServer, tmp_path: Path
) -> None:
    executed = 60
    with two_workers(redis, tmp_path) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            keys = [{"x-settlement-intent-id": uuid4().hex} for _ in range(executed)]
            asked = [http.post("/jokes", headers=key) for key in keys]
            assert {each.status_code for each in await asyncio.gather(*asked)} == {200}
            found = samples((await http.get("/metrics/")).text)
    assert _processes(tmp_path) == 2
    requests = found["origin_middleware_requests_total"]
    counted = {labels: value for labels, value in requests.items() if value}
    assert list(counted.values()) == [executed]
    durations = found["origin_middleware_handler_duration_seconds_count"]
    assert sum(durations.values()) == executed
    assert "origin_middleware_handler_active" not in found


def _processes(directory: Path) -> int:
    """That have files."""
    return len({file.name.rpartition("_")[2] for file in directory.glob("counter_*")})
