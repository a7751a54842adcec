"""The page's own server, beside the machine in the same process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from ..machine import Machine
from ..processes import listening
from .app import Page


@contextmanager
def serving(machine: Machine) -> Iterator[str]:
    """The page's URL, on loopback. At the end no browser keeps it from ending."""
    with listening(0) as listener:
        server = PageServer(Page(machine))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class PageServer(uvicorn.Server):
    """Ends the streams of events before it waits for the end of its connections."""

    def __init__(self, page: Page) -> None:
        super().__init__(
            uvicorn.Config(
                page.app, lifespan="on", log_level="error", timeout_graceful_shutdown=5
            )
        )
        self._page = page

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._page.feed.close()
        await super().shutdown(sockets)
