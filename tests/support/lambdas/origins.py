"""Small origins to stand behind the emulator."""

import threading

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send


async def reflecting(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request it got: raw path, query, header lines and body."""
    if scope["type"] != "http":
        return
    body = await Request(scope, receive).body()
    seen = {
        "method": scope["method"],
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[k.decode(), v.decode("latin-1")] for k, v in scope["headers"]],
        "body": body.decode(),
    }
    await JSONResponse(seen)(scope, receive, send)


class Counted:
    """Counts its requests, and answers each with its number."""

    def __init__(
        self, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.count = 0
        self._status = status
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.count += 1
        response = PlainTextResponse(
            f"paid content {self.count}", self._status, self._headers
        )
        await response(scope, receive, send)


class Silent:
    """Says nothing to its first requests, and notices when they are given up."""

    def __init__(self, first: int) -> None:
        self.count = 0
        self.abandoned = threading.Semaphore(0)
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.count += 1
        if self.count > self._first:
            await Response(f"attempt {self.count}")(scope, receive, send)
            return
        while (await receive())["type"] != "http.disconnect":
            pass
        self.abandoned.release()
