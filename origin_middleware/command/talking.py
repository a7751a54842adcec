"""What the command says, to a person or to a program."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

SCHEMA = 1


class Talk:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, *lines: str) -> None:
        if not self._as_json:
            print(*lines, sep="\n", flush=True)

    def tell(self, **facts: Any) -> None:
        """To a program, one object a line."""
        if self._as_json:
            print(json.dumps({"schema": SCHEMA, **facts}), flush=True)

    def error(self, why: str) -> None:
        if self._as_json:
            print(json.dumps({"schema": SCHEMA, "error": why}), flush=True)
        print(f"origin-middleware: {why}", file=sys.stderr, flush=True)

    def advise(self, what: str) -> None:
        """A person, on a terminal, where it does not get into what is kept."""
        if sys.stderr.isatty():
            print(f"note: {what}.", file=sys.stderr, flush=True)

    def progress(self, line: str) -> None:
        """On a terminal, where it does not get into the output."""
        if sys.stderr.isatty():
            print(f"\r{line}", end="", file=sys.stderr, flush=True)

    def asked(self, question: str) -> str:
        """'' where nobody can answer."""
        if not sys.stdin.isatty():
            return ""
        return input(question).strip()


def at(seconds: float) -> str:
    """Unix time, as logs write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """As a person says it."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
