"""The side effects of the paid API, in a file where they can be counted."""

import json
import os
from pathlib import Path


class Ledger:
    """A file of JSON lines that any number of processes append to.

    A row is a single write to a descriptor opened for appending. So a row is complete,
    and it stays even if the process is killed right afterwards.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outage = path.with_name(path.name + ".outage")
        """While this file exists, the paid API's dependency is down."""
        self.waiting = path.with_name(path.name + ".waiting")
        """Which process waits before its side effect, where it was asked to."""

    def append(self, **row: object) -> None:
        line = json.dumps(row | {"pid": os.getpid()}) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def rows(self) -> list[dict[str, object]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text().splitlines()]
