"""The other libraries, each used as its own documentation shows.

A library is imported only when its row is built, so that the other rows run without it.
"""

from importlib import import_module
from typing import Any

from redis.asyncio import Redis
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from benchmarks.app import Handler, Handlers, Row, fastapi_app, starlette_app
from benchmarks.powertools import POWERTOOLS
from origin_middleware.asgi import ASGIApp


def _idemkit(handlers: Handlers, url: str) -> ASGIApp:
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
    build=_idemkit,
    distribution="idemkit",
)


def _ichido(handlers: Handlers, url: str) -> ASGIApp:
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
    build=_ichido,
    distribution="ichido",
)


def _fastapi_idempotency_key(handlers: Handlers, url: str) -> ASGIApp:
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
    build=_fastapi_idempotency_key,
    distribution="fastapi-idempotency-key",
)


def _asgi_idempotency_header(handlers: Handlers, url: str) -> ASGIApp:
    library = import_module("idempotency_header_middleware")
    backends = import_module("idempotency_header_middleware.backends")
    backend = backends.RedisBackend(redis=Redis.from_url(url))
    protection = Middleware(library.IdempotencyHeaderMiddleware, backend=backend)
    return starlette_app(handlers, protection)


ASGI_IDEMPOTENCY_HEADER = Row(
    name="asgi-idempotency-header",
    kind="rival",
    how="IdempotencyHeaderMiddleware and RedisBackend, defaults",
    build=_asgi_idempotency_header,
    distribution="asgi-idempotency-header",
)


def _idempot(handlers: Handlers, url: str) -> ASGIApp:
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
    ground="fastapi",
    how="@idempotent on FastAPI endpoints, configure(backend='redis') as in its README",
    build=_idempot,
    distribution="idempot",
)


def _idemptx(handlers: Handlers, url: str) -> ASGIApp:
    library = import_module("idemptx")
    backends = import_module("idemptx.backend")
    backend = backends.AsyncRedisBackend(Redis.from_url(url))

    def decorate(function: Handler) -> Handler:
        protected: Handler = library.idempotent(
            storage_backend=backend, key_ttl=86_400, required=False, wait_timeout=3.0
        )(function)
        return protected

    app = fastapi_app(handlers, decorate=decorate)
    # Its exceptions are no HTTP errors: an application has to answer them.
    app.add_exception_handler(library.ConflictRequestException, _conflict)
    app.add_exception_handler(library.RequestInProgressException, _in_progress)
    return app


async def _conflict(_: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(exc)}, 422)


async def _in_progress(_: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(exc)}, 409)


IDEMPTX = Row(
    name="idemptx",
    kind="rival",
    ground="fastapi",
    how="@idempotent on FastAPI endpoints, AsyncRedisBackend, wait_timeout=3",
    build=_idemptx,
    distribution="idemptx",
)

RIVALS = (
    IDEMKIT,
    ICHIDO,
    FASTAPI_IDEMPOTENCY_KEY,
    ASGI_IDEMPOTENCY_HEADER,
    POWERTOOLS,
    IDEMPOT,
    IDEMPTX,
)
