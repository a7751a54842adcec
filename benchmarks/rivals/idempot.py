"""idempot: its decorator on FastAPI endpoints, `configure` as its README does."""

from importlib import import_module
from typing import Any

from benchmarks.apps import fastapi_app
from benchmarks.handlers import Handlers
from benchmarks.row import Row
from origin_middleware.asgi import ASGIApp


def _build(handlers: Handlers, url: str) -> ASGIApp:
    configure: Any = import_module("idempot").configure
    configure(
        backend="redis",
        redis_url=url,
        default_ttl=86_400,
        lock_timeout=5,
        cache_on_status=[200, 201],
    )
    decorate: Any = import_module("idempot.contrib.fastapi").idempotent
    return fastapi_app(handlers, decorate=decorate)


IDEMPOT = Row(
    name="idempot",
    kind="rival",
    framework="fastapi",
    how="@idempotent on FastAPI endpoints, configure(backend='redis') as in its README",
    build=_build,
    distribution="idempot",
)
