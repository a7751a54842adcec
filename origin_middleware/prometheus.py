"""Metrics for Prometheus, which scrapes this process, or all processes of a server.

    metrics = PrometheusObserver()
    store = RedisStore(client, observer=metrics)
    app.add_middleware(
        IdempotencyMiddleware, store=store, observer=[metrics, LoggingObserver()]
    )

The documentation of prometheus_client says how to serve them, also with several
processes.
"""

import os
from collections.abc import Callable, Iterable

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError as missing:
    raise ImportError(
        f"origin_middleware.prometheus needs {missing.name}: "
        "pip install 'origin-middleware[prometheus]'"
    ) from missing

from .errors import ConfigurationError
from .events import Event, StoreCalled
from .metrics import ACTIVE, METRICS, PREFIX, Metric, active, measured

# What prometheus_client calls the units.
_UNITS = {"s": "seconds", "By": "bytes"}

# prometheus_client looks at it when it is imported: the numbers of several processes
# are in files then, and what goes up and down would outlive a process that died.
_SEVERAL_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"


class PrometheusObserver:
    """An observer for any number of middlewares and stores; docs/metrics.md lists its
    metrics.

    In prometheus_client's mode for several processes, there is no
    `origin_middleware_handler_active`. Raises ConfigurationError if the registry has
    the metrics already: give all middlewares and stores the same observer.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        try:
            self._record = {each: _recording(each, registry) for each in METRICS}
            self._active = _gauge(registry)
        except ValueError as twice:
            raise ConfigurationError(
                "PrometheusObserver(): its metrics are in this registry already. Make "
                "one observer, and give it to every middleware and store of the app."
            ) from twice

    def __call__(self, event: Event | StoreCalled, /) -> None:
        record = self._record
        for metric, value, labels in measured(event):
            record[metric](value, labels)
        if self._active is None or isinstance(event, StoreCalled):
            return
        if change := active(event):
            self._active.labels(event.policy).inc(change)


class _Recording:
    """Records one metric. Binding label values costs most, so it is done once."""

    def __init__(self, metric: Counter | Histogram, known: Iterable[str]) -> None:
        self._metric = metric
        self._bound: dict[tuple[str, ...], Callable[[float], None]] = {
            (value,): self._bind((value,)) for value in known
        }

    def __call__(self, value: float, labels: tuple[str, ...]) -> None:
        bound = self._bound.get(labels)
        if bound is None:
            bound = self._bound[labels] = self._bind(labels)
        bound(value)

    def _bind(self, labels: tuple[str, ...]) -> Callable[[float], None]:
        of = self._metric.labels(*labels)
        return of.inc if isinstance(of, Counter) else of.observe


def _recording(metric: Metric, registry: CollectorRegistry) -> _Recording:
    name, text, labels = _name(metric), metric.description, metric.labels
    if not metric.buckets:
        return _Recording(Counter(name, text, labels, registry=registry), metric.known)
    buckets = metric.buckets
    histogram = Histogram(name, text, labels, registry=registry, buckets=buckets)
    return _Recording(histogram, metric.known)


def _gauge(registry: CollectorRegistry) -> Gauge | None:
    if _SEVERAL_PROCESSES in os.environ:
        return None
    return Gauge(_name(ACTIVE), ACTIVE.description, ACTIVE.labels, registry=registry)


def _name(metric: Metric) -> str:
    parts = [f"{PREFIX}{metric.name}".replace(".", "_"), _UNITS.get(metric.unit, "")]
    return "_".join(filter(None, parts))
