"""idemkit: its middleware and `RedisBackend.from_url`, as in its README; one tenant."""

from importlib import import_module

from starlette.middleware import Middleware

from benchmarks.apps import starlette_app
from benchmarks.handlers import Handlers
from benchmarks.row import Row
from origin_middleware.asgi import ASGIApp


def _build(handlers: Handlers, url: str) -> ASGIApp:
    idemkit = import_module("idemkit")
    protection = Middleware(
        idemkit.IdempotencyMiddleware,
        backend=idemkit.RedisBackend.from_url(url),
        config=idemkit.HttpConfig(scope_mode="single_tenant"),  # silences a warning
    )
    return starlette_app(handlers, protection)


IDEMKIT = Row(
    name="idemkit",
    kind="rival",
    how="IdempotencyMiddleware and RedisBackend.from_url, defaults, one tenant",
    build=_build,
    distribution="idemkit",
)
