"""What the command says, to a person or to a program."""

import json
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

SCHEMA = 1


class Talk:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.unheard = False
        """The reader of the output has gone, as `head` does. What is begun goes on,
        and the exit status stays true."""

    def say(self, *lines: str) -> None:
        if not self._as_json:
            self._print("\n".join(lines), sys.stdout)

    def tell(self, **facts: Any) -> None:
        """To a program, one object a line."""
        if self._as_json:
            self._print(json.dumps({"schema": SCHEMA, **facts}), sys.stdout)

    def error(self, why: str) -> None:
        self.tell(error=why)
        self.keep(f"origin-middleware: {why}")

    def keep(self, line: str) -> None:
        """On standard error."""
        self._print(line, sys.stderr)

    def advise(self, what: str) -> None:
        """A person, on a terminal, where it does not get into what is kept."""
        if sys.stderr.isatty():
            self.keep(f"note: {what}.")

    def progress(self, line: str) -> None:
        """On a terminal, where it does not get into the output."""
        if sys.stderr.isatty():
            self._print(f"\r{line}", sys.stderr, end="")

    def _print(self, text: str, file: TextIO, end: str = "\n") -> None:
        try:
            print(text, file=file, end=end, flush=True)
        except BrokenPipeError:
            self.unheard |= file is sys.stdout

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
