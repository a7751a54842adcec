"""The process of one row, seen from outside: start it, ask it, stop it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.app import Row
from benchmarks.machine import pin
from benchmarks.server import Server

# Whether glibc gives the memory of a large body back, and pays for it at the next one,
# depends on what happens to lie behind it: the same code takes 1 ms in one process and
# 2 ms in another. So no row gives anything back.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}


class NoAnswer(Exception):
    """The row could not do it; the message says why."""


class Process:
    def __init__(self, row: Row, popen: subprocess.Popen[str], server: Server) -> None:
        self.row = row
        self.server = server
        self.pid = popen.pid
        self._popen = popen

    def ask(self, command: str, **arguments: Any) -> Any:
        """Raises NoAnswer."""
        assert self._popen.stdin is not None, "the process was started with a pipe"
        try:
            self._popen.stdin.write(json.dumps([command, arguments]) + "\n")
            self._popen.stdin.flush()
        except BrokenPipeError as exc:
            raise NoAnswer("its process has ended") from exc
        return self.answer()

    def answer(self) -> Any:
        """Raises NoAnswer."""
        assert self._popen.stdout is not None, "the process was started with a pipe"
        line = self._popen.stdout.readline()
        if not line:
            raise NoAnswer("its process has ended")
        said = json.loads(line)
        if "failed" in said:
            raise NoAnswer(said["failed"])
        return said["answer"]


@contextmanager
def running_row(
    row: Row, server: Server, core: Sequence[int], log: Path
) -> Iterator[Process]:
    """Its first answer says whether the row can be built."""
    with log.open("a") as out, ExitStack() as stack:
        popen = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", row.name, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            env=os.environ | _KEEP_MEMORY,
            text=True,
            process_group=0,  # Ctrl-C is for us, who stop things in order
        )
        stack.callback(_end, popen)
        pin(popen.pid, core)
        yield Process(row, popen, server)


def _end(popen: subprocess.Popen[str]) -> None:
    popen.kill()  # nothing of a row is worth keeping
    popen.communicate()
