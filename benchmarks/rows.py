"""Every row, in the order of the tables; a control belongs to the rows below it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.middleware import Middleware

from benchmarks.app import Handlers, Row, fastapi_app, starlette_app
from benchmarks.controls import (
    BARE,
    BARE_FASTAPI,
    BARE_UVLOOP,
    FLOOR,
    FLOOR_AGAIN,
    FLOOR_FASTAPI,
    FLOOR_REDIS_SERVER,
    FLOOR_UVLOOP,
    RAW_CONNECTION,
)
from benchmarks.rivals import RIVALS
from origin_middleware import IdempotencyMiddleware, LoggingObserver
from origin_middleware.asgi import ASGIApp
from origin_middleware.stores.redis import RedisStore


def _middleware(url: str) -> Middleware:
    return Middleware(IdempotencyMiddleware, store=RedisStore.from_url(url))


def _with_prometheus(handlers: Handlers, url: str) -> ASGIApp:
    from origin_middleware.prometheus import PrometheusObserver  # noqa: PLC0415 - the other rows run without it

    return _observed(handlers, url, PrometheusObserver())


def _with_opentelemetry(handlers: Handlers, url: str) -> ASGIApp:
    """Metrics that are made and not exported; without a server's span, no trace."""
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415 - as above

    from origin_middleware.opentelemetry import OpenTelemetryObserver  # noqa: PLC0415 - as above

    meters = MeterProvider([InMemoryMetricReader()])
    return _observed(handlers, url, OpenTelemetryObserver(meter_provider=meters))


def _observed(handlers: Handlers, url: str, observer: Any) -> ASGIApp:
    store = RedisStore.from_url(url, observer=observer)
    both = [observer, LoggingObserver()]
    middleware = Middleware(IdempotencyMiddleware, store=store, observer=both)
    return starlette_app(handlers, middleware)


def _on_starlette(handlers: Handlers, url: str) -> ASGIApp:
    return starlette_app(handlers, _middleware(url))


def _on_fastapi(handlers: Handlers, url: str) -> ASGIApp:
    return fastapi_app(handlers, _middleware(url))


OURS = Row(
    name="origin-middleware",
    kind="ours",
    how="IdempotencyMiddleware and RedisStore.from_url, default policy",
    build=_on_starlette,
    distribution="origin-middleware",
    header=b"x-settlement-intent-id",
)
OURS_FASTAPI = Row(
    name="origin-middleware-fastapi",
    kind="ours",
    ground="fastapi",
    how="the same, in front of the FastAPI app",
    build=_on_fastapi,
    distribution="origin-middleware",
    header=b"x-settlement-intent-id",
)
OURS_UVLOOP = replace(
    OURS, name="origin-middleware-uvloop", ground="uvloop", how="the same, on uvloop"
)
OURS_REDIS_SERVER = replace(
    OURS,
    name="origin-middleware-redis-server",
    ground="redis-server",
    how="the same, with the redis-server of this machine",
)
OURS_PROMETHEUS = replace(
    OURS,
    name="origin-middleware-prometheus",
    how="the same, with a PrometheusObserver for middleware and store",
    build=_with_prometheus,
)
OURS_OPENTELEMETRY = replace(
    OURS,
    name="origin-middleware-opentelemetry",
    how="the same, with an OpenTelemetryObserver and the SDK's metrics",
    build=_with_opentelemetry,
)

ROWS = (
    BARE,
    FLOOR,
    FLOOR_AGAIN,
    RAW_CONNECTION,
    OURS,
    OURS_PROMETHEUS,
    OURS_OPENTELEMETRY,
    BARE_UVLOOP,
    FLOOR_UVLOOP,
    OURS_UVLOOP,
    FLOOR_REDIS_SERVER,
    OURS_REDIS_SERVER,
    *(rival for rival in RIVALS if rival.ground == "starlette"),
    BARE_FASTAPI,
    FLOOR_FASTAPI,
    OURS_FASTAPI,
    *(rival for rival in RIVALS if rival.ground == "fastapi"),
)
BY_NAME = {row.name: row for row in ROWS}


class UnknownRowError(Exception):
    """There is no row of this name; the message says which there are."""


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of these names, or all, with the controls that they are compared to."""
    if unknown := set(names) - set(BY_NAME):
        raise UnknownRowError(
            f"There is no row {', '.join(sorted(unknown))}. "
            f"Choose from: {', '.join(BY_NAME)}."
        )
    wanted = {FLOOR_AGAIN.name, *(names or BY_NAME)}
    for row in (BY_NAME[name] for name in set(wanted)):
        wanted |= {row.bare, row.floor}
    return [row for row in ROWS if row.name in wanted]
