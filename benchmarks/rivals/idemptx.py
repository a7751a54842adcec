"""idemptx: its decorator on FastAPI endpoints, the asynchronous backend; told to wait.

Its exceptions are no HTTP errors: an application has to answer them, as here.
"""

from importlib import import_module

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import JSONResponse

from benchmarks.apps import fastapi_app
from benchmarks.handlers import Handler, Handlers
from benchmarks.row import Row
from origin_middleware.asgi import ASGIApp


def _build(handlers: Handlers, url: str) -> ASGIApp:
    library = import_module("idemptx")
    backends = import_module("idemptx.backend")
    backend = backends.AsyncRedisBackend(Redis.from_url(url))

    def decorate(function: Handler) -> Handler:
        protected: Handler = library.idempotent(
            storage_backend=backend, key_ttl=86_400, required=False, wait_timeout=3.0
        )(function)
        return protected

    app = fastapi_app(handlers, decorate=decorate)
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
    framework="fastapi",
    how="@idempotent on FastAPI endpoints, AsyncRedisBackend, wait_timeout=3",
    build=_build,
    distribution="idemptx",
)
