"""One program of the sample: a process with a port of its own and a log."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

_START_WITHIN = 20.0
_STOP_WITHIN = 10.0


class ServiceError(Exception):
    """A program did not start; the message has the end of its log."""


class Service:
    """`python -m <arguments> --fd <its socket>`, for uvicorn and for the emulator.

    The socket is bound and listens before the process starts, so that no port can be
    taken in between, and whoever connects early waits instead of being refused.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        directory: Path,
        started: Callable[[int], None],
        environment: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        """`started` is told the process group. Raises ServiceError for a used port."""
        self.name = name
        self._started = started
        self._arguments = arguments
        self._environment = os.environ | (environment or {})
        self._log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = _listening(port)
        self._port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        if self._socket.fileno() < 0:
            self._socket = _listening(self._port)
        descriptor = self._socket.fileno()
        with self._log.open("ab") as log, self._socket:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments, "--fd", str(descriptor)],
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=[descriptor],
                start_new_session=True,  # Ctrl-C is for us, who stop things in order
            )
        self._started(self._process.pid)

    def check(self, path: str) -> None:
        """Return once it answers on `path`; raises ServiceError where it does not."""
        try:
            httpx.get(self.url + path, timeout=_START_WITHIN)
        except httpx.HTTPError as exc:
            raise ServiceError(f"{self.name} did not start.\n{self.log()}") from exc

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def _end(self, number: signal.Signals) -> None:
        self._socket.close()
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. asyncio would set it, but not on a socket that uvicorn
        # was given as --fd, and an answer would wait 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as exc:
        listener.close()
        reason = str(exc).rstrip(".")
        raise ServiceError(
            f"Port {port} cannot be used: {reason}. Choose another one."
        ) from exc
    listener.listen(128)
    return listener
