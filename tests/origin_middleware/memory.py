"""By how many bytes a process grows at most.

`python -m tests.origin_middleware.memory <case>` says it of one case.
"""

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable

from origin_middleware import IdempotencyMiddleware, MemoryStore
from origin_middleware.asgi import Message, Receive, Scope, Send
from tests.support.asgi import GatedApp, chunk, http_scope, request, start

PIECE = b"x" * 65_536
GIBIBYTE = 2**30 // len(PIECE)
DUPLICATES = 10_000


async def upload() -> None:
    """A gibibyte in, read piece by piece."""
    sent = 0

    async def receive() -> Message:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": PIECE, "more_body": sent < GIBIBYTE}

    async def send(message: Message) -> None:
        pass

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        assert size == 2**30
        await send(start())
        await send(chunk(b"done"))

    await IdempotencyMiddleware(reads, store=MemoryStore())(http_scope(), receive, send)


async def download() -> None:
    """A gibibyte out, as it is produced."""
    received = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal received
        received += len(message.get("body", b""))

    async def writes(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for _ in range(GIBIBYTE):
            await send(chunk(PIECE, more=True))
        await send(chunk(b""))

    await IdempotencyMiddleware(writes, store=MemoryStore())(
        http_scope(), receive, send
    )
    assert received == 2**30


async def duplicates() -> None:
    """Ten thousand requests that wait for one."""
    handler = GatedApp()
    app = IdempotencyMiddleware(handler, store=MemoryStore())
    waiting = [asyncio.create_task(request(app)) for _ in range(DUPLICATES)]
    await handler.entered.wait()
    for _ in range(10):  # turns of the event loop: all of them are waiting now
        await asyncio.sleep(0)
    handler.gate.set()
    await asyncio.gather(*waiting)
    assert handler.executions == 1


CASES: dict[str, Callable[[], Awaitable[None]]] = {
    "upload": upload,
    "download": download,
    "duplicates": duplicates,
}


def peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


async def measure(case: Callable[[], Awaitable[None]]) -> int:
    await request(IdempotencyMiddleware(GatedAppThatIsOpen(), store=MemoryStore()))
    before = peak()
    await case()
    return peak() - before


class GatedAppThatIsOpen(GatedApp):
    """Warms up what every request needs."""

    def __init__(self) -> None:
        super().__init__()
        self.gate.set()


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(measure(CASES[sys.argv[1]]))))
