"""What a command meets outside of itself: the operator, the clock, AWS."""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.request import urlopen

from ..aws.session import Session, open_session

_LONGEST_DOWNLOAD = 30.0  # seconds; a bundle is a few KB


def say(line: str) -> None:
    """At once, also into a pipe: an operator watches this."""
    print(line, flush=True)


def ask(question: str) -> bool | None:
    """None when there is nobody to ask."""
    if not sys.stdin.isatty():
        return None
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:  # the terminal was closed, or ctrl-D pressed
        return False
    return answer.strip().lower() in ("y", "yes")


def download(address: str) -> bytes:
    """From where Lambda keeps it. The address is Lambda's own, and signed."""
    with urlopen(address, timeout=_LONGEST_DOWNLOAD) as answer:  # noqa: S310 - https, as above
        content: bytes = answer.read()
    return content


class Surroundings(NamedTuple):
    say: Callable[[str], None] = say
    ask: Callable[[str], bool | None] = ask
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    open_session: Callable[[str | None], Session] = open_session
    download: Callable[[str], bytes] = download
