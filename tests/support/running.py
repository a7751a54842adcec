"""Real servers and commands for a test: on a free loopback port, gone afterwards."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class Running(uvicorn.Server):
    """A server in a thread of its own. `stop` it, then `join` it.

    A request still under way is cut off, so that no test waits for it.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._accepting = threading.Event()
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        # The protocol is named because asyncio sets TCP_NODELAY only where it is.
        tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener = socket.socket(*tcp)
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self.run, args=([self._listener],))
        self._thread.start()
        if not self._accepting.wait(timeout=10):
            raise RuntimeError("the server did not start")

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    def join(self) -> None:
        self._thread.join()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._accepting.set()

    async def main_loop(self) -> None:
        # An event, where uvicorn looks ten times a second.
        await self.on_tick(0)
        await self._stopped.wait()


@contextlib.contextmanager
def serving(app: ASGIApp, config: uvicorn.Config | None = None) -> Iterator[str]:
    """Serve an ASGI app for the length of a `with`; gives its base URL."""
    server = Running(config or plain_config(app))
    try:
        yield server.url
    finally:
        server.stop()
        server.join()


def plain_config(app: ASGIApp) -> uvicorn.Config:
    """uvicorn as it is, and quiet."""
    return uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


@contextlib.contextmanager
def command(
    *arguments: str | os.PathLike[str], fds: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Run `python …` in a session of its own; killed at the end if need be."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=fds,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """What the command said first: for a server, where it listens."""
    if process.stdout is None:
        raise ValueError("the command's output is not piped")
    return process.stdout.readline().rstrip("\n")
