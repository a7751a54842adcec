"""The page, its stream of events, and a POST for each button.

Whatever runs in a browser can reach loopback, so a page of somebody else must not: only
requests that name this host are answered (DNS rebinding), and only a POST from the page
itself presses a button.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from html import escape
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from ..machine import Machine
from .buttons import BUTTONS, BY_NAME, NotNowError, Player
from .feed import Feed, Tail

FOLDER = Path(__file__).parent
HOSTS = ["127.0.0.1", "localhost"]
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
FILES = ("page.css", "page.js", "icon.svg")
LOOK_EVERY = 0.05  # seconds, into a file that other processes write


class Page:
    """One machine, watched by any number of browsers."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.feed = Feed()
        self._look_again = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/events", self._events),
                Route("/press/{name}", self._press, methods=["POST"]),
                *(Route(f"/{name}", self._file) for name in FILES),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        url = self._machine.cloudfront.url
        tail = Tail(self._machine.messages.path)
        tail.read()  # what the start needed is not shown
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            self._player = Player(self._machine, http, self.feed, self._look_again.set)
            watching = asyncio.create_task(self._watch(tail))
            yield
            await self._player.stop()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        tail.close()

    async def _watch(self, tail: Tail) -> None:
        self._look_again.set()
        while True:
            messages = tail.read()
            for message in messages:
                self.feed.add("message", **message)
            if messages or self._look_again.is_set():
                self._look_again.clear()
                await self._tell_state()
            await asyncio.sleep(LOOK_EVERY)

    async def _tell_state(self) -> None:
        """The three numbers, and which buttons do something."""
        counts = await asyncio.to_thread(self._machine.counts)
        reasons = {
            name: self._player.why_not(button) for name, button in BY_NAME.items()
        }
        self.feed.add("state", **counts._asdict(), reasons=reasons)

    async def _page(self, _: Request) -> Response:
        page = (FOLDER / "page.html").read_text()
        return Response(
            page.replace("<!-- buttons -->", _buttons()),
            media_type="text/html",
            headers=HEADERS,
        )

    async def _file(self, request: Request) -> Response:
        return FileResponse(FOLDER / request.url.path[1:], headers=HEADERS)

    async def _events(self, request: Request) -> Response:
        try:
            number = int(request.headers.get("last-event-id", "0"))
        except ValueError:
            number = 0
        return StreamingResponse(
            self.feed.after(number), media_type="text/event-stream", headers=HEADERS
        )

    async def _press(self, request: Request) -> Response:
        if request.headers.get("origin") != f"http://{request.headers['host']}":
            return _said(403, "Only the page itself presses its buttons.")
        button = BY_NAME.get(request.path_params["name"])
        if button is None:
            return _said(404, "There is no such button.")
        try:
            self._player.press(button)
        except NotNowError as exc:
            return _said(409, str(exc))
        return _said(202, "")


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(text, status, HEADERS)


def _buttons() -> str:
    groups = (
        f"<fieldset><legend>{escape(legend)}</legend>"
        + "".join(
            f'<button type="button" data-step="{button.name}" '
            f'title="{escape(button.title)}">{escape(button.label)}</button>'
            for button in group
        )
        + "</fieldset>"
        for legend, group in BUTTONS.items()
    )
    return "".join(groups)
