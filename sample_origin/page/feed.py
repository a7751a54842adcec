"""What happened, numbered, for whoever listens."""

import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ..facilitator import BASE_PATH

KEPT = 5_000
WORKERS = ("worker 1", "worker 2")


class Feed:
    """A listener that was away, or comes late, gets what it has missed."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._last = 0
        self._closed = False
        self._changed = asyncio.Event()

    def add(self, kind: str, **facts: object) -> None:
        """As a server-sent event (HTML, section 9.2.6)."""
        self._last += 1
        data = json.dumps(facts)
        event = f"id: {self._last}\nevent: {kind}\ndata: {data}\n\n"
        self._events.append((self._last, event))
        self._wake()

    def close(self) -> None:
        """Nobody is kept waiting any longer."""
        self._closed = True
        self._wake()

    async def after(self, number: int) -> AsyncIterator[str]:
        """Those with a higher number, and those to come."""
        if number > self._last:  # of an earlier process
            number = 0
        while not self._closed:
            changed = self._changed
            new = [event for event in self._events if event[0] > number]
            if new:
                number = new[-1][0]
                yield "".join(event for _, event in new)
            else:
                await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Tail:
    """New lines of the file of messages."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self._lanes = Lanes()

    def close(self) -> None:
        self._file.close()

    def read(self) -> list[dict[str, Any]]:
        """What has been written since the last time, with lanes for participants."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [self._placed(json.loads(line)) for line in lines]

    def _placed(self, message: dict[str, Any]) -> dict[str, Any]:
        pid = message["pid"]
        for end in ("from", "to"):
            if message[end] == "worker":
                message[end] = self._lanes.of(pid)
        message["title"] = message["title"].replace(BASE_PATH, "…")
        return message


class Lanes:
    """Which process is which worker: a new one takes the place of one that died."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}

    def of(self, pid: int) -> str:
        for lane, known in self._pids.items():
            if known == pid:
                return lane
        free = (lane for lane in WORKERS if not _lives(self._pids.get(lane)))
        lane = next(free, WORKERS[-1])
        self._pids[lane] = pid
        return lane


def _lives(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
