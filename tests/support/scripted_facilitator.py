"""A facilitator on loopback that answers what a test tells it to, however badly."""

import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

VALID = {
    "valid": True,
    "settlementIntentId": "intent-1",
    "expiresAt": None,
    "reason": None,
}
SETTLED = {"ok": True, "settledAt": "2026-02-07T08:12:34.850Z"}


class Asked(NamedTuple):
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: Any


class Conversation(BaseHTTPRequestHandler):
    """One connection. `protocol_version` is what keeps it alive between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self.server.facilitator.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        facilitator = self.server.facilitator
        facilitator.asked.append(Asked(self.path, headers, json.loads(body)))
        facilitator.next_step(self.path)(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Quiet."""


Step = Callable[[Conversation], None]


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Step:
    return raw(status, json.dumps(body).encode(), headers)


def raw(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> Step:
    def step(conversation: Conversation) -> None:
        conversation.send_response(status)
        conversation.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            conversation.send_header(name, value)
        conversation.end_headers()
        conversation.wfile.write(content)

    return step


def wire(content: bytes) -> Step:
    """These bytes, whatever they are, and the end of the connection."""

    def step(conversation: Conversation) -> None:
        conversation.wfile.write(content)
        conversation.close_connection = True

    return step


def hang_up() -> Step:
    return wire(b"")


def answer_and_hang_up(status: int, body: object) -> Step:
    """Without `connection: close`: the client cannot know."""

    def step(conversation: Conversation) -> None:
        answer(status, body)(conversation)
        conversation.close_connection = True

    return step


def reset() -> Step:
    def step(conversation: Conversation) -> None:
        linger = struct.pack("ii", 1, 0)
        conversation.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        conversation.connection.close()
        conversation.close_connection = True

    return step


def hang() -> Step:
    """Says nothing until the test is over."""

    def step(conversation: Conversation) -> None:
        conversation.server.facilitator.over.wait()
        conversation.close_connection = True

    return step


def drip(content: bytes, every: float = 0.02) -> Step:
    """One byte at a time: no single read ever times out."""

    def step(conversation: Conversation) -> None:
        conversation.close_connection = True
        for byte in content:
            try:
                conversation.wfile.write(bytes([byte]))
            except OSError:
                return
            if conversation.server.facilitator.over.wait(every):
                return

    return step


class ScriptedFacilitator:
    """Answers as the contract says, unless `will` has put something else in line."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.over = Event()
        self.disconnected = Event()
        self._script: deque[Step] = deque()
        self._tls = tls
        self._server = _Server(self, tls)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_port}/x402"

    def will(self, *steps: Step) -> None:
        self._script.extend(steps)

    def next_step(self, path: str) -> Step:
        if self._script:
            return self._script.popleft()
        return answer(200, VALID if path.endswith("/verify") else SETTLED)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    # A conversation may be waiting for a client that keeps its connection.
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, facilitator: ScriptedFacilitator, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.facilitator = facilitator
        self._tls = tls

    def server_bind(self) -> None:
        """As HTTPServer's, which also asks the name service for its own name."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the conversation's own thread: a slow handshake keeps nobody waiting."""
        if self._tls:
            request = self._tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        request.close()
        self.facilitator.disconnected.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is what the tests are about."""
