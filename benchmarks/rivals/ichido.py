"""ichido: its middleware, store and client, as its README's basic integration shows."""

from importlib import import_module

from redis.asyncio import Redis
from starlette.middleware import Middleware

from benchmarks.apps import starlette_app
from benchmarks.handlers import Handlers
from benchmarks.row import Row
from origin_middleware.asgi import ASGIApp


def _build(handlers: Handlers, url: str) -> ASGIApp:
    ichido = import_module("ichido")
    client = Redis.from_url(url, decode_responses=True)
    protection = Middleware(
        ichido.IchidoMiddleware,
        store=ichido.RedisIdempotencyStore(redis_client=client, ttl=86_400),
        config=ichido.IchidoConfig(ttl_seconds=86_400),
    )
    return starlette_app(handlers, protection)


ICHIDO = Row(
    name="ichido",
    kind="rival",
    how="IchidoMiddleware and RedisIdempotencyStore, as in its README",
    build=_build,
    distribution="ichido",
)
