"""Servers × ways to be interrupted × kinds of handlers: what does a retry get?

`python -m tests.origin_middleware.servers.matrix` plays all of it and writes the
table into docs/guarantees.md; test_matrix.py checks that the table is true.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from secrets import token_hex

import httpx

from sample_origin.ledger import Ledger
from sample_origin.processes import free_port
from tests.support.servers import running, valkey

GUARANTEES = Path(__file__).parents[3] / "docs" / "guarantees.md"
TABLE = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- end of matrix -->)", re.DOTALL)

# So many at once: they mostly wait.
_AT_ONCE = 6

# Far more than a server takes to start, or a request to be answered, on a busy machine.
_PATIENCE = 90

LONG, SHORT = 30, 1
KINDS = ["plain", "streaming", "sync", "background"]
APP = "tests.origin_middleware.servers.app:app"


@dataclass(frozen=True)
class Server:
    name: str
    command: tuple[str, ...]
    grace: str

    def arguments(self, port: int, grace: int) -> list[str]:
        filled = [part.format(port=port) for part in self.command]
        return [sys.executable, "-m", *filled, self.grace, str(grace), APP]


_UVICORN = ("uvicorn", "--port", "{port}", "--loop")
_GRACE = "--timeout-graceful-shutdown"
SERVERS = [
    Server("uvicorn (h11)", (*_UVICORN, "asyncio", "--http", "h11"), _GRACE),
    Server(
        "uvicorn (httptools)", (*_UVICORN, "asyncio", "--http", "httptools"), _GRACE
    ),
    # As uvicorn[standard] runs.
    Server(
        "uvicorn (httptools, uvloop)",
        (*_UVICORN, "uvloop", "--http", "httptools"),
        _GRACE,
    ),
    Server(
        "hypercorn", ("hypercorn", "--bind", "127.0.0.1:{port}"), "--graceful-timeout"
    ),
    Server(
        "granian",
        ("granian", "--interface", "asgi", "--port", "{port}", "--loop", "asyncio"),
        "--workers-kill-timeout",
    ),
]


@dataclass(frozen=True)
class Event:
    name: str
    grace: int
    work: float


EVENTS = [
    Event("client leaves", LONG, 0.5),
    Event("SIGTERM, long grace", LONG, 1.0),
    Event("SIGTERM, short grace", SHORT, 3.0),
    Event("SIGKILL", LONG, 3.0),
]


@dataclass(frozen=True)
class Cell:
    server: Server
    event: Event
    kind: str


CELLS = [Cell(*parts) for parts in product(SERVERS, EVENTS, KINDS)]


class Trial:
    """One cell: interrupt a request after its side effect, then send it again."""

    def __init__(self, cell: Cell, redis_url: str, directory: Path) -> None:
        self._cell = cell
        self._key = token_hex(8)
        self._ledger = Ledger(directory / f"{self._key}.jsonl")
        self._log = directory / f"{self._key}.log"
        self._environment = os.environ | {
            "REDIS_URL": redis_url,
            "LEDGER": str(directory / f"{self._key}.jsonl"),
            "WORK": str(cell.event.work),
        }

    async def play(self) -> str:
        """What the retry got, and how often the side effect happened if not once."""
        with self._serving() as (process, url):
            await self._started(process, url)
            first = asyncio.create_task(self._ask(url))
            await self._effect(first)
            retry = await self._interrupt(process, url, first)
        if retry is None:
            with self._serving() as (process, url):
                await self._started(process, url)
                retry = await self._ask(url)
        with suppress(asyncio.CancelledError, httpx.HTTPError):
            await first
        effects = len(self._ledger.rows())
        return _described(retry) + ("" if effects == 1 else f", {effects} effects")

    async def _interrupt(
        self,
        process: "subprocess.Popen[bytes]",
        url: str,
        first: "asyncio.Task[httpx.Response]",
    ) -> httpx.Response | None:
        """The retry's answer, where the server lives on."""
        match self._cell.event.name:
            case "client leaves":
                first.cancel()
                return await self._ask(url)
            case "SIGKILL":
                os.kill(int(str(self._ledger.rows()[0]["pid"])), signal.SIGKILL)
            case _:
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(process.wait, _PATIENCE)
        return None

    async def _ask(self, url: str) -> httpx.Response:
        """Again after a 503: on a busy machine the store may be reached too late."""
        headers = {"x-settlement-intent-id": self._key}
        async with httpx.AsyncClient(timeout=_PATIENCE) as http:
            while True:
                answer = await http.get(f"{url}/{self._cell.kind}", headers=headers)
                if answer.status_code != 503:
                    return answer

    async def _started(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        async with asyncio.timeout(_PATIENCE), httpx.AsyncClient() as http:
            while process.poll() is None:
                with suppress(httpx.TransportError):
                    await http.get(f"{url}/nowhere")
                    return
                await asyncio.sleep(0.05)
        raise RuntimeError(f"the server ended: {self._log.read_text()}")

    async def _effect(self, first: "asyncio.Task[httpx.Response]") -> None:
        async with asyncio.timeout(_PATIENCE):
            while not self._ledger.rows():
                if first.done():
                    raise RuntimeError(f"no side effect: {_described(first.result())}")
                await asyncio.sleep(0.02)

    @contextmanager
    def _serving(self) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
        port = free_port()
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._cell.server.arguments(port, self._cell.event.grace),
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _described(retry: httpx.Response) -> str:
    if retry.headers.get("idempotent-replayed") == "true" and retry.text == "done":
        return "replayed"
    if retry.headers.get("content-type") == "application/problem+json":
        return f"{retry.status_code} {retry.json()['code']}"
    return f"{retry.status_code} {retry.text}"


async def play_all() -> dict[Cell, str | BaseException]:
    """What a cell gave, or why it could not be played."""
    with tempfile.TemporaryDirectory() as directory, running(valkey()) as redis:
        places = asyncio.Semaphore(_AT_ONCE)

        async def play(cell: Cell) -> str:
            async with places:
                return await Trial(cell, redis.url, Path(directory)).play()

        outcomes = await asyncio.gather(*map(play, CELLS), return_exceptions=True)
    return dict(zip(CELLS, outcomes, strict=True))


def table(outcomes: dict[Cell, str]) -> str:
    lines = ["| server | event | " + " | ".join(KINDS) + " |", "|---" * 6 + "|"]
    for server, event in product(SERVERS, EVENTS):
        cells = [outcomes[Cell(server, event, kind)] for kind in KINDS]
        lines.append(f"| {server.name} | {event.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Raises ExceptionGroup where a cell could not be played."""
    played = asyncio.run(play_all())
    outcomes = {cell: found for cell, found in played.items() if isinstance(found, str)}
    if failed := [found for found in played.values() if isinstance(found, Exception)]:
        raise ExceptionGroup("not played", failed)
    made = table(outcomes)
    GUARANTEES.write_text(TABLE.sub(lambda _: made, GUARANTEES.read_text()))


if __name__ == "__main__":
    main()
