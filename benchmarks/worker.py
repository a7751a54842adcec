"""The process of one row: commands come as lines of JSON, and answers go the same way.

python -m benchmarks.worker <row> <URL of the server>
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TextIO

from redis.asyncio import Redis

from benchmarks.app import Ground, Handlers, Row
from benchmarks.client import Client
from benchmarks.correctness import verdicts
from benchmarks.duplicates import Arrival, Pair, Storm, storm
from benchmarks.measures import MEASURES
from benchmarks.rows import BY_NAME
from benchmarks.timing import block, new_key

_MEASURES = {measure.name: measure for measure in MEASURES}


class Worker:
    """Its public methods are the commands."""

    def __init__(self, row: Row, url: str) -> None:
        self._row = row
        self._url = url
        self._handlers = Handlers()
        self._client = Client(row.build(self._handlers, url), row.header)
        self._pair = Pair(self._client, self._handlers)

    async def block(self, measure: str, requests: int, seconds: float) -> list[float]:
        return await block(
            self._client,
            self._handlers,
            _MEASURES[measure],
            replays=self._row.replays,
            requests=requests,
            seconds=seconds,
        )

    async def records(self, number: int) -> None:
        for _ in range(number):
            await self._client.ask("/1KiB", new_key())

    async def verdicts(self) -> dict[str, str]:
        keeps = self._row.keeps_responses
        return await verdicts(self._client, self._handlers, keeps_responses=keeps)

    async def storm(self, duplicates: int) -> Storm:
        return await storm(self._client, self._handlers, duplicates)

    async def lead(self, key: str) -> None:
        await self._pair.lead(key)

    async def follow(self, key: str) -> None:
        self._pair.follow(key)

    async def let_go(self) -> float:
        return await self._pair.let_go()

    async def arrived(self) -> Arrival:
        return await self._pair.arrived()

    async def pings(self, number: int) -> list[float]:
        """What one round trip takes, in seconds."""
        taken = []
        async with Redis.from_url(self._url) as client:
            for _ in range(number):
                begun = time.perf_counter()
                await client.ping()
                taken.append(time.perf_counter() - begun)
        return taken


def _runner(ground: Ground) -> Callable[[Coroutine[Any, Any, None]], None]:
    if ground == "uvloop":
        import uvloop  # noqa: PLC0415 - the other rows run without it

        return uvloop.run
    return asyncio.run


async def serve(answers: TextIO, name: str, url: str) -> None:
    worker: Worker | None = None

    async def build() -> None:
        nonlocal worker
        worker = Worker(BY_NAME[name], url)

    await _say(answers, build)
    gc.freeze()  # what is imported is not ours to collect
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = json.loads(line)
        do: Callable[..., Awaitable[Any]] = getattr(worker, command)
        await _say(answers, partial(do, **arguments))


async def _say(answers: TextIO, do: Callable[[], Awaitable[Any]]) -> None:
    try:
        said = {"answer": await do()}
    except Exception as exc:  # noqa: BLE001, RUF100 - a row that fails is a result
        said = {"failed": _reason(exc)}
    answers.write(json.dumps(said) + "\n")
    answers.flush()


def _reason(exc: Exception) -> str:
    if isinstance(exc, ExceptionGroup):  # a failing request ends all that were at once
        return _reason(exc.exceptions[0])
    return str(exc) or type(exc).__name__


if __name__ == "__main__":
    row_name, server_url = sys.argv[1:]
    with os.fdopen(os.dup(1), "w") as lines:
        os.dup2(2, 1)  # whatever a library prints is not an answer
        run = _runner(BY_NAME[row_name].ground)
        run(serve(lines, row_name, server_url))
