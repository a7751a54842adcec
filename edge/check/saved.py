"""A configuration in a file: to check where there are no credentials, or later again.

The key and the code are never in it; see redaction.py for what else is not.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..build.zip import write_whole
from .facts.snapshot import Snapshot, parse
from .facts.unread import Answer
from .live import SCHEMA

# What a value of another kind than AWS's, or none, leads to.
_DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


class SavedRefused(Exception):
    """The message says what to do."""


def save(answers: Answer, file: Path) -> None:
    content = json.dumps(answers, indent=1, sort_keys=True, default=str)
    try:
        write_whole(f"{content}\n".encode(), file)
    except OSError as failure:
        raise SavedRefused(
            f"{file} cannot be written: {failure.strerror}. Name another with --save."
        ) from failure


def load(file: Path) -> Answer:
    try:
        answers = json.loads(file.read_text(encoding="utf-8"))
    except OSError as failure:
        raise SavedRefused(
            f"{file} cannot be read: {failure.strerror}. Write one with --save."
        ) from failure
    except (ValueError, RecursionError) as damaged:
        raise SavedRefused(
            f"{file} is not JSON. Write it again with --save."
        ) from damaged
    if not isinstance(answers, dict) or answers.get("schema") != SCHEMA:
        raise SavedRefused(
            f"{file} was not written by --save of this version. Write it again."
        )
    return answers


def read(answers: Answer) -> Snapshot:
    with damage_is_said():
        return parse(answers)


@contextmanager
def damage_is_said(from_file: bool = True) -> Iterator[None]:
    """A file is sometimes edited. What AWS has answered is not damaged: there, it is a
    mistake of ours, which is not to be hidden."""
    try:
        yield
    except _DAMAGED as damaged:
        if not from_file:
            raise
        raise SavedRefused(
            f"the configuration lacks something ({type(damaged).__name__}: {damaged})."
            " Take it again with --save."
        ) from damaged
