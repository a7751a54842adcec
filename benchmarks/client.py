"""A client in process: no HTTP server between it and the app."""

import asyncio
from collections.abc import Iterable

from benchmarks.app import REQUEST_BODY
from origin_middleware.asgi import ASGIApp, Headers, Message, Scope

BROKEN = 500  # what a server makes of an exception


class Call:
    """A request, and the answer once `run` has returned."""

    __slots__ = ("_app", "_body", "_scope", "error", "headers", "parts", "status")

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self.status = 0
        self.headers: Headers = []
        self.parts: list[bytes] = []
        self.error = ""

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as exc:  # noqa: BLE001, RUF100 - whatever a row raises is its answer
            self.error = type(exc).__name__
            self.status = self.status or BROKEN

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def outcome(self) -> str:
        return f"{self.status} {self.error}".strip()

    def lines(self, name: bytes) -> list[bytes]:
        return sorted(value for line, value in self.headers if line.lower() == name)

    async def _receive(self) -> Message:
        if self._body is None:  # the client stays, and has no more to say
            await asyncio.get_running_loop().create_future()
        message = {"type": "http.request", "body": self._body, "more_body": False}
        self._body = None
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))


class Client:
    """Asks one app, with keys in the header that it reads."""

    def __init__(self, app: ASGIApp, header: bytes) -> None:
        self._app = app
        self._header = header

    async def ask(
        self, path: str, key: bytes | None, body: bytes = REQUEST_BODY
    ) -> Call:
        call = self.call(path, key, body)
        await call.run()
        return call

    def call(self, path: str, key: bytes | None, body: bytes = REQUEST_BODY) -> Call:
        own = [] if key is None else [(self._header, key)]
        return Call(self._app, _scope(path, own, len(body)), body)


def _scope(path: str, own: Iterable[tuple[bytes, bytes]], length: int) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"api.example"),
            (b"user-agent", b"benchmark"),
            (b"accept", b"*/*"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % length),
            *own,
        ],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8_000),
        "state": {},
    }
