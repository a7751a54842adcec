"""The measured app: the same handlers on Starlette, and on FastAPI."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.handlers import Handler, Handlers

Decorate = Callable[[Handler], Handler]


def starlette_app(handlers: Handlers, *middleware: Middleware) -> Starlette:
    routes = [
        Route(path, handler, methods=["POST"])
        for path, handler in handlers.by_path().items()
    ]
    return Starlette(routes=routes, middleware=middleware)


def fastapi_app(
    handlers: Handlers,
    *middleware: Middleware,
    decorate: Decorate = lambda handler: handler,
) -> FastAPI:
    """`decorate` wraps every endpoint, for what protects single routes."""
    app = FastAPI(openapi_url=None, middleware=middleware)
    for path, handler in handlers.by_path().items():
        endpoint = decorate(_endpoint(handler))
        app.post(path, response_model=None)(endpoint)
    return app


def _endpoint(handler: Handler) -> Handler:
    async def endpoint(request: Request) -> Response:
        return await handler(request)

    return endpoint
