"""Worker processes, forked from one that has imported everything before."""

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([f"{__package__}.worker", f"{__package__}.seller"])


class Worker:
    """One process after the other on one socket, so that a client whose server was
    killed waits for the next."""

    def __init__(
        self, serve: Callable[[socket.socket, Any], None], setting: object
    ) -> None:
        self._serve, self._setting = serve, setting
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.process = self._started()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def start_again(self) -> None:
        self.process = self._started()

    def close(self) -> None:
        self.kill()
        self._socket.close()

    def _started(self) -> BaseProcess:
        arguments = (self._socket, self._setting)
        process = _context.Process(target=self._serve, args=arguments)
        process.start()
        return process


@contextmanager
def worker(
    serve: Callable[[socket.socket, Any], None], setting: object
) -> Iterator[Worker]:
    running = Worker(serve, setting)
    try:
        yield running
    finally:
        running.close()
