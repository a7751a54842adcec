"""Calls end by the event loop's clock, claims by the server's."""

import asyncio
from math import ceil

from .line import Line


def now() -> float:
    """In seconds, on the event loop's clock."""
    return asyncio.get_running_loop().time()


async def clock_offset(line: Line, until: float) -> int:
    """From our event loop's clock to the server's, in ms."""
    reply = await line.send(("TIME",), until)
    try:
        [seconds, microseconds] = reply if isinstance(reply, (list, tuple)) else []
        clock = int(seconds) * 1000 + int(microseconds) // 1000
    except (TypeError, ValueError):
        raise ConnectionError(f"TIME was answered with {reply!r:.60}") from None
    return clock - ceil(now() * 1000)
