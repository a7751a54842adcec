"""A handler and an origin behind the emulator, all of them real servers."""

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.types import ASGIApp

from edge.emulator.distribution import (
    AWS_RUNTIME,
    Behaviour,
    Distribution,
    ErrorResponse,
    Function,
    Origin,
    OriginGroup,
)
from edge.emulator.server import CloudFront, server_config
from tests.support import running

from .bundle import Handler, bundle


@dataclass(frozen=True, slots=True)
class Emulated:
    """A running emulator, and a client that adds nothing of its own."""

    url: str
    client: httpx.Client
    log_file: Path

    def raw(self, method: str, target: str) -> http.client.HTTPResponse:
        """Send a request target as it is: httpx would normalise it."""
        address = httpx.URL(self.url)
        connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, target)
            response = connection.getresponse()
            response.read()
            return response

    def log(self) -> list[str]:
        """What the function has written so far."""
        return self.log_file.read_text().splitlines()


@contextlib.contextmanager
def emulated(
    folder: Path,
    handler: Handler | str | Path,
    origin: ASGIApp | str | Origin | OriginGroup,
    *behaviours: Behaviour,
    error_responses: tuple[ErrorResponse, ...] = (),
    response_timeout: float = 5.0,
    lambda_timeout: float = 5.0,
    lambda_handler: str = "handler.handler",
    concurrency: int = 8,
    aws_runtime: bool = AWS_RUNTIME,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Emulated]:
    """The emulator, an origin behind it, and a client in front.

    `handler` is a function, a module's text or a bundle that is there already; `origin`
    is an app to serve, or the URL or the settings of what is served already.
    """
    log_file = folder / "function.log"
    function = Function(
        handler if isinstance(handler, Path) else bundle(folder, handler),
        handler=lambda_handler,
        timeout=lambda_timeout,
        concurrency=concurrency,
        log_file=log_file,
        aws_runtime=aws_runtime,
    )
    # Stopping takes each server a fifth of a second: first stop all, then join all.
    with contextlib.ExitStack() as joins, contextlib.ExitStack() as stack:

        def started(config: uvicorn.Config) -> str:
            server = running.Running(config)
            joins.callback(server.join)
            stack.callback(server.stop)
            return server.url

        if not isinstance(origin, str | Origin | OriginGroup):
            origin = started(running.plain_config(origin))
        if isinstance(origin, str):
            origin = Origin(origin, response_timeout=response_timeout)
        distribution = Distribution(
            origin, function, behaviours or (Behaviour(),), error_responses
        )
        app = CloudFront(distribution, clock=clock)
        url = started(server_config(app))
        client = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        client.headers.clear()
        yield Emulated(url, client, log_file)
