"""What the measured app does on each path, and how often it did it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

Document = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]

SIZES = {"/1KiB": 1 << 10, "/64KiB": 1 << 16, "/1MiB": 1 << 20}
SLOW = 0.05  # seconds, the handler of the storm


def document(size: int) -> Document:
    """An order whose JSON is `size` bytes long."""
    lines = [{"sku": f"{n:06}", "quantity": 1, "price": n} for n in range(size // 64)]
    order = {"number": "ord_0123456789", "currency": "EUR", "lines": lines, "pad": ""}
    order["pad"] = "x" * (size - len(rendered(order)))
    return order


def rendered(order: Document) -> bytes:
    return json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()


DOCUMENTS = {path: document(size) for path, size in SIZES.items()}
REQUEST_BODY = rendered(DOCUMENTS["/1KiB"])


class Handlers:
    """Counts executions by path. `/held` begins, and ends when it is let go."""

    def __init__(self) -> None:
        self.executions: Counter[str] = Counter()
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.ended_at = 0.0

    def by_path(self) -> dict[str, Handler]:
        answers: dict[str, Handler] = {path: _ready(path) for path in SIZES}
        answers |= {"/slow": self._slow, "/held": self._held}
        answers |= {"/cookies": _cookies, "/no-content": _no_content}
        answers |= {"/stream": _stream, "/binary": _binary}
        answers |= {"/echo": _echo, "/echo-too": _echo}
        return {path: self._counted(path, answers[path]) for path in answers}

    def execute(self, path: str) -> Document:
        """What `path` does, for a rival that wraps functions and not responses."""
        self.executions[path] += 1
        return DOCUMENTS[path]

    def _counted(self, path: str, answer: Handler) -> Handler:
        async def handler(request: Request) -> Response:
            await request.body()
            self.executions[path] += 1
            return await answer(request)

        return handler

    async def _slow(self, _: Request) -> Response:
        answer = JSONResponse({"execution": self.executions["/slow"]})
        await asyncio.sleep(SLOW)
        return answer

    async def _held(self, _: Request) -> Response:
        self.begun.set()
        await self.let_go.wait()
        self.ended_at = time.monotonic()
        return JSONResponse({"execution": self.executions["/held"]})


def _ready(path: str) -> Handler:
    async def order(_: Request) -> Response:
        return JSONResponse(DOCUMENTS[path])

    return order


async def _cookies(_: Request) -> Response:
    response = JSONResponse({"paid": True})
    response.set_cookie("session", "one")
    response.set_cookie("csrf", "two")
    return response


async def _no_content(_: Request) -> Response:
    return Response(status_code=204)


async def _stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one\n", b"two\n", b"three\n"):
            yield part
            await asyncio.sleep(0.001)

    return StreamingResponse(parts(), media_type="text/plain")


async def _binary(_: Request) -> Response:
    return Response(bytes(range(256)), media_type="application/octet-stream")


async def _echo(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"path": request.url.path, "body": body.decode()})
