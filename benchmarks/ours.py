"""The rows of this project."""

from starlette.middleware import Middleware

from benchmarks.apps import fastapi_app, starlette_app
from benchmarks.handlers import Handlers
from benchmarks.row import Row
from origin_middleware import IdempotencyMiddleware
from origin_middleware.asgi import ASGIApp
from origin_middleware.stores.redis import RedisStore


def _middleware(url: str) -> Middleware:
    return Middleware(IdempotencyMiddleware, store=RedisStore.from_url(url))


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
    framework="fastapi",
    how="the same, in front of the FastAPI app",
    build=_on_fastapi,
    distribution="origin-middleware",
    header=b"x-settlement-intent-id",
)
