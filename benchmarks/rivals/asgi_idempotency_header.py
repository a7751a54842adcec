"""asgi-idempotency-header: its middleware and Redis backend, as its README shows."""

from importlib import import_module

from redis.asyncio import Redis
from starlette.middleware import Middleware

from benchmarks.apps import starlette_app
from benchmarks.handlers import Handlers
from benchmarks.row import Row
from origin_middleware.asgi import ASGIApp


def _build(handlers: Handlers, url: str) -> ASGIApp:
    library = import_module("idempotency_header_middleware")
    backends = import_module("idempotency_header_middleware.backends")
    backend = backends.RedisBackend(redis=Redis.from_url(url))
    protection = Middleware(library.IdempotencyHeaderMiddleware, backend=backend)
    return starlette_app(handlers, protection)


ASGI_IDEMPOTENCY_HEADER = Row(
    name="asgi-idempotency-header",
    kind="rival",
    how="IdempotencyHeaderMiddleware and RedisBackend, defaults",
    build=_build,
    distribution="asgi-idempotency-header",
)
