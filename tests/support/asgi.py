"""One ASGI connection, played by hand, with a log of what reached the client."""

import asyncio
import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import pytest

from origin_middleware import IdempotencyMiddleware
from origin_middleware.asgi import ASGIApp, Headers, Message, Receive, Scope, Send
from origin_middleware.events import Event, Observer, Started

KEY = b"x-settlement-intent-id"
PRIVATE = (b"cache-control", b"private")


def http_scope(
    key: bytes | None = b"intent-1",
    method: str = "POST",
    path: str = "/report",
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> Scope:
    own = [(KEY, key)] if key is not None else []
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [*own, *headers],
        "server": ("testserver", 80),
        "client": ("testclient", 1234),
    }


class Connection:
    """A client that sends a body, and leaves when `leave` is set."""

    def __init__(self, *body: bytes, cut_off: bool = False) -> None:
        self._body = list(body) or [b""]
        self._cut_off = cut_off
        self._read = 0
        self.sent: list[Message] = []

    @cached_property
    def leave(self) -> asyncio.Event:
        """Made when it is asked for: ten thousand clients do not need theirs."""
        return asyncio.Event()

    async def receive(self) -> Message:
        if self._read < len(self._body):
            piece = self._body[self._read]
            self._read += 1
            more = self._cut_off or self._read < len(self._body)
            return {"type": "http.request", "body": piece, "more_body": more}
        if not self._cut_off:
            await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if "leave" in self.__dict__ and self.leave.is_set():
            raise OSError("the client is gone")
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> Headers:
        return list(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def code(self) -> str:
        """The code of a refusal."""
        assert (b"content-type", b"application/problem+json") in self.headers
        code: str = json.loads(self.body)["code"]
        return code

    @property
    def complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False)


async def request(app: ASGIApp, *body: bytes, **scope: Any) -> Connection:
    connection = Connection(*body)
    await app(http_scope(**scope), connection.receive, connection.send)
    return connection


def start(status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class App:
    """Counts its executions, and plays the messages it was given."""

    def __init__(self, *messages: Message | BaseException) -> None:
        self.messages = messages or (start(), chunk(b"done"))
        self.executions = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.executions += 1
        for message in self.messages:
            if isinstance(message, BaseException):
                raise message
            await send(message)


class GatedApp(App):
    """Stops after its effect until `gate` opens."""

    def __init__(self, *messages: Message | BaseException) -> None:
        super().__init__(*messages)
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.set()
        await self.gate.wait()
        await super().__call__(scope, receive, send)


async def finished_alone(
    running: "asyncio.Task[Any]", inner: GatedApp, app: IdempotencyMiddleware
) -> None:
    """The server cancels the request while its handler runs, which then goes on to its
    end."""
    await inner.entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    inner.gate.set()
    await app._runtime.drain()


def endings(told: list[Event]) -> Observer:
    """An observer that leaves out that handlers begin."""

    def observe(event: Event) -> None:
        if not isinstance(event, Started):
            told.append(event)

    return observe
