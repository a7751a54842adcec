"""What the command says, to a person or to a program."""

import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

SCHEMA = 1


class Talk:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._has_progress = False
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

    def aside(self, *lines: str) -> None:
        """To a person, where the output is for something else."""
        if not self._as_json:
            self.keep("\n".join(lines))

    def keep(self, line: str) -> None:
        """On standard error."""
        self._print(line, sys.stderr)

    def give(self, body: bytes) -> None:
        """The output, as it is."""
        if not self._as_json:
            with suppress(BrokenPipeError):
                sys.stdout.buffer.write(body)
                sys.stdout.buffer.flush()

    def advise(self, what: str) -> None:
        """A person, on a terminal, where it does not get into what is kept."""
        if sys.stderr.isatty():
            self.keep(f"note: {what}.")

    def progress(self, line: str) -> None:
        """On a terminal, until something else is said."""
        if sys.stderr.isatty():
            self._print(line, sys.stderr, end="")
            self._has_progress = True

    def _print(self, text: str, file: TextIO, end: str = "\n") -> None:
        if self._has_progress:
            self._has_progress = False
            self._print("\r\x1b[K", sys.stderr, end="")
        try:
            print(text, file=file, end=end, flush=True)
        except BrokenPipeError:
            self.unheard |= file is sys.stdout

    def asked(self, question: str) -> str:
        """'' where nobody can answer."""
        if not sys.stdin.isatty():
            return ""
        return input(question).strip()


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else repr(each)[1:-1]
        for each in text
    )


def at(seconds: float) -> str:
    """Unix time, as logs write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """As a person says it."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
