"""The Lambda Runtime API for one execution environment: invocations go out, results
come back.

AWS "Using the Lambda runtime API for custom runtimes". AWS's own runtime is a client of
it, so the function runs as it does in Lambda.
"""

import asyncio
import contextlib
import json
import uuid
from typing import Any, NamedTuple

from .errors import FunctionError, FunctionRaisedError

PREFIX = "/2018-06-01/runtime"


class Invocation(NamedTuple):
    event: object
    deadline: float
    """Seconds since the epoch."""
    function_arn: str


class RuntimeApi:
    """A server on loopback, once it is open."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self.address = ""  # AWS_LAMBDA_RUNTIME_API
        self._connections: set[asyncio.Task[None]] = set()
        self._invocations: asyncio.Queue[Invocation] = asyncio.Queue()
        # Set by the first request for an invocation, or by an error before it.
        self._initialised: asyncio.Future[None] = _future()
        self._result: asyncio.Future[object] = _future()
        self._ended: FunctionError | None = None

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"

    async def initialised(self) -> None:
        """Return once the runtime asks for its first invocation."""
        await self._initialised

    async def invoke(self, invocation: Invocation) -> object:
        """The handler's result. Raises FunctionRaisedError, or FunctionError where the
        process ended."""
        if self._ended is not None:
            raise self._ended
        self._result = _future()
        self._invocations.put_nowait(invocation)
        return await self._result

    def end(self, error: FunctionError) -> None:
        """The process has ended: fail the pending futures."""
        self._ended = error
        for future in (self._initialised, self._result):
            if not future.done():
                future.set_exception(error)

    async def close(self) -> None:
        """Stop listening, and hang up."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        ended = (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError)
        with contextlib.closing(writer), contextlib.suppress(*ended):
            while True:
                writer.write(await self._answered(reader))
                await writer.drain()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        fields = dict(line.lower().split(":", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        match method, path.removeprefix(PREFIX).split("/")[1:]:
            case "GET", ["invocation", "next"]:
                return _next(await self._next())
            case "POST", ["init", "error"]:
                error = f"The handler cannot be imported: {_described(body)}"
                self.end(FunctionError(error))
            case "POST", ["invocation", _, "response"]:
                self._resolve(_parsed(body))
            case "POST", ["invocation", _, "error"]:
                self._reject(f"The function raised {_described(body)}")
            case _:
                return _response("404 Not Found", b"")
        return _response("202 Accepted", b'{"status": "OK"}')

    async def _next(self) -> Invocation:
        if not self._initialised.done():
            self._initialised.set_result(None)
        return await self._invocations.get()

    def _resolve(self, value: object) -> None:
        if not self._result.done():
            self._result.set_result(value)

    def _reject(self, message: str) -> None:
        if not self._result.done():
            self._result.set_exception(FunctionRaisedError(message))


def _future() -> "asyncio.Future[Any]":
    future = asyncio.get_running_loop().create_future()
    # If its caller has gone, its exception is not news.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _next(invocation: Invocation) -> bytes:
    request_id, span = str(uuid.uuid4()), uuid.uuid4().hex
    return _response(
        "200 OK",
        json.dumps(invocation.event).encode(),
        f"Lambda-Runtime-Aws-Request-Id: {request_id}",
        f"Lambda-Runtime-Deadline-Ms: {invocation.deadline * 1000:.0f}",
        f"Lambda-Runtime-Invoked-Function-Arn: {invocation.function_arn}",
        f"Lambda-Runtime-Trace-Id: Root=1-{span[:8]}-{span[8:]};Sampled=0",
    )


def _response(status: str, body: bytes, *headers: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _parsed(result: bytes) -> object:
    """AWS's runtime passes bytes on as they are. CloudFront accepts JSON only."""
    try:
        return json.loads(result)
    except ValueError:
        return None


def _described(body: bytes) -> str:
    error = json.loads(body)
    return f"{error.get('errorType')}: {error.get('errorMessage')}"
