"""How long the calls of a store take."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from origin_middleware.stores.redis import RedisStore

# `wait` takes as long as it is told to.
_CALLS = ("claim", "take_over", "renew", "complete", "release", "abandon")


def clocked(store: RedisStore) -> list[tuple[float, str]]:
    """From now on every call is put on this list: seconds, and which."""
    calls: list[tuple[float, str]] = []
    for name in _CALLS:
        setattr(store, name, partial(_call, getattr(store, name), name, calls))
    return calls


async def _call(
    call: Callable[..., Awaitable[Any]],
    name: str,
    calls: list[tuple[float, str]],
    *arguments: Any,
) -> Any:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        return await call(*arguments)
    finally:
        calls.append((loop.time() - begun, name))
