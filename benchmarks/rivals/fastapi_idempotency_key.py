"""fastapi-idempotency-key: its middleware and Redis backend; told to wait."""

from importlib import import_module

from starlette.middleware import Middleware

from benchmarks.apps import starlette_app
from benchmarks.handlers import Handlers
from benchmarks.row import Row
from origin_middleware.asgi import ASGIApp


def _build(handlers: Handlers, url: str) -> ASGIApp:
    library = import_module("fastapi_idempotency_key")
    protection = Middleware(
        library.IdempotencyMiddleware,
        backend=library.RedisBackend(redis_url=url),
        default_ttl=86_400,
        timeout=25.0,  # the default answers a duplicate in flight with 409
    )
    return starlette_app(handlers, protection)


FASTAPI_IDEMPOTENCY_KEY = Row(
    name="fastapi-idempotency-key",
    kind="rival",
    how="IdempotencyMiddleware and RedisBackend, timeout=25 so that duplicates wait",
    build=_build,
    distribution="fastapi-idempotency-key",
)
