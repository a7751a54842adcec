"""A facilitator that stops answering: from the start, or once verify has been answered.

Each way of stalling is one that a timeout per operation does not see, or sees late.
"""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.support.scripted_facilitator import VALID

# What becomes of a connection once the facilitator stalls.
Stall = Callable[["StallingFacilitator", socket.socket], None]


def silent(facilitator: "StallingFacilitator", connection: socket.socket) -> None:
    """Reads the question and never answers it."""
    connection.recv(65536)
    facilitator.over.wait()


def half(facilitator: "StallingFacilitator", connection: socket.socket) -> None:
    """Answers with a head, and never with the body it announces."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    facilitator.over.wait()


def dribbling(facilitator: "StallingFacilitator", connection: socket.socket) -> None:
    """A byte each tenth of a second: no single read takes long."""
    connection.recv(65536)
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 999:
        connection.sendall(bytes([byte]))
        if facilitator.over.wait(0.1):
            return


def unaccepted(facilitator: "StallingFacilitator", connection: socket.socket) -> None:
    """Never called: the queue of connections is full, and none is taken out of it."""


def mute(facilitator: "StallingFacilitator", connection: socket.socket) -> None:
    """Says nothing at all, not even to a client that begins with TLS."""
    facilitator.over.wait()


class StallingFacilitator:
    def __init__(
        self, stall: Stall, at: str, tls: ssl.SSLContext | None = None
    ) -> None:
        """`at` is the call it stalls at: "verify" or "settle"."""
        self.over = Event()
        self._stall = stall
        self._at = at
        self._tls = tls
        self._resources = ExitStack()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._thread = Thread(target=self._run)

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        return f"http{'s' if self._tls else ''}://127.0.0.1:{port}/x402"

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
        with suppress(OSError):  # of a socket that nobody is connected to
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._resources.close()
        self._listener.close()

    def _run(self) -> None:
        if self._at == "settle":
            self._answer_verify()
        if self._stall is unaccepted:
            self._fill_the_queue()
            self.over.wait()
            return
        for connection in self._connections():
            Thread(target=self._stalled, args=(connection,)).start()

    def _answer_verify(self) -> None:
        """And close the connection, so that settle needs one of its own."""
        connection, _ = self._listener.accept()
        with self._dressed(connection) as dressed:
            while b"headers" not in dressed.recv(65536):
                pass
            if self._stall is unaccepted:
                self._fill_the_queue()
            body = json.dumps(VALID).encode()
            length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            dressed.sendall(b"HTTP/1.1 200 OK\r\n" + length.encode() + body)

    def _dressed(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_side=True)

    def _connections(self) -> Iterator[socket.socket]:
        with suppress(OSError):  # the listener is shut down
            while True:
                yield self._listener.accept()[0]

    def _stalled(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # a client that has had enough
            self._stall(self, connection)

    def _fill_the_queue(self) -> None:
        """Until the kernel leaves a connection waiting for its first answer."""
        while True:
            waiting = self._resources.enter_context(socket.socket())
            waiting.settimeout(0.1)
            try:
                waiting.connect(self._listener.getsockname())
            except TimeoutError:
                return
