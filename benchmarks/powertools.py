"""aws-lambda-powertools: `idempotent_function` called in a Starlette endpoint.

It is synchronous and keeps a function's return value. The quick paths call it on the
event loop, which is in its favour; those that have to overlap call it in threads.
Payload validation stays off, the default: in 3.37.0 its Redis layer drops the digest of
the payload on completion, and with validation every replay raises.
"""

import json
import warnings
from functools import partial
from importlib import import_module
from typing import Any

from anyio import from_thread
from redis import Redis
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.app import SIZES, Document, Handler, Handlers, Row
from origin_middleware.asgi import ASGIApp

_LIBRARY = "aws_lambda_powertools.utilities.idempotency"
_OVERLAPPING = ("/slow", "/held", "/echo")


class _Lambda:
    """What an application outside Lambda gives for the time that is left."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def _build(handlers: Handlers, url: str) -> ASGIApp:
    decorate = _decorator(url)
    routes = [
        Route(path, _quick(decorate, handlers, path), methods=["POST"])
        for path in SIZES
    ]
    for path, handler in handlers.by_path().items():
        if path in _OVERLAPPING:
            endpoint = _overlapping(decorate, handler, path)
            routes.append(Route(path, endpoint, methods=["POST"]))
    in_progress = import_module(_LIBRARY + ".exceptions")
    refused = in_progress.IdempotencyAlreadyInProgressError
    return Starlette(routes=routes, exception_handlers={refused: _in_progress})


def _decorator(url: str) -> Any:
    warnings.simplefilter("ignore")  # it warns about every call without a key
    library = import_module(_LIBRARY)
    cache = import_module(_LIBRARY + ".persistence.cache")
    config = library.IdempotencyConfig(event_key_jmespath="key")
    config.register_lambda_context(_Lambda())
    client = Redis.from_url(url, decode_responses=True)
    return partial(
        library.idempotent_function,
        data_keyword_argument="event",
        persistence_store=cache.CachePersistenceLayer(client=client),
        config=config,
    )


def _quick(decorate: Any, handlers: Handlers, path: str) -> Handler:
    def function(event: Document) -> Document:  # noqa: ARG001 - the library reads it
        return handlers.execute(path)

    protected = decorate(_named(function, path))

    async def endpoint(request: Request) -> Response:
        event = await _event(request)
        if not event["key"]:
            return JSONResponse(handlers.execute(path))
        return JSONResponse(protected(event=event))

    return endpoint


def _overlapping(decorate: Any, handler: Handler, path: str) -> Handler:
    def function(event: Document, request: Request) -> Any:  # noqa: ARG001 - likewise
        async def ask() -> Response:
            return await handler(request)

        return json.loads(bytes(from_thread.run(ask).body))

    protected = decorate(_named(function, path))

    async def endpoint(request: Request) -> Response:
        event = await _event(request)
        return JSONResponse(
            await run_in_threadpool(protected, event=event, request=request)
        )

    return endpoint


def _named(function: Any, path: str) -> Any:
    """The name of the function is part of the key."""
    function.__qualname__ = function.__name__ = "pay" + path.strip("/").lower()
    return function


async def _event(request: Request) -> Document:
    body = await request.body()
    return {"key": request.headers.get("idempotency-key"), "body": body.decode()}


async def _in_progress(_: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(exc)}, 409)


POWERTOOLS = Row(
    name="aws-lambda-powertools",
    kind="rival",
    how="idempotent_function in a Starlette endpoint, CachePersistenceLayer",
    build=_build,
    distribution="aws-lambda-powertools",
    keeps_responses=False,
)
