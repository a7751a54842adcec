"""Between a command and its operator: what is said and asked, how a plan reads, and
with which status a command ends.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, assert_never
from urllib.request import urlopen

from ..aws.lambda_at_edge import PRINCIPALS
from ..aws.session import Session, open_session
from ..errors import FAILED, REFUSED, AwsTrouble, Refused
from .model import (
    AllowLogs,
    Associate,
    Change,
    Configure,
    CreateFunction,
    CreateRole,
    Plan,
    Publish,
    Step,
    UpdateCode,
)

INTERRUPTED = 130  # as shells count SIGINT

_LONGEST_DOWNLOAD = 30.0  # seconds; a bundle is a few KB


def say(line: str) -> None:
    """At once, also into a pipe: an operator watches this."""
    print(line, flush=True)


def ask(question: str) -> bool | None:
    """None if there is no terminal."""
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


class System(NamedTuple):
    """The outside of a command: the terminal, the clock, AWS."""

    say: Callable[[str], None] = say
    ask: Callable[[str], bool | None] = ask
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    open_session: Callable[[str | None], Session] = open_session
    download: Callable[[str], bytes] = download


def exit_status(command: str, act: Callable[[], None], warning: str = "") -> int:
    """Runs a command. The warning is for an operator who may think it has finished.
    What an exception has as a note is told after its reason."""
    try:
        act()
    except Refused as refused:
        status, reasons = REFUSED, refused.reasons
    except AwsTrouble as trouble:
        status, reasons = FAILED, (str(trouble), *_notes(trouble))
    except KeyboardInterrupt as stopped:
        done = "interrupted. Repeat the command to go on: nothing is done twice."
        status, reasons = INTERRUPTED, (done, *_notes(stopped))
    except BaseException:  # the reader of our output is gone, or a bug of ours
        if warning:
            print(warning, file=sys.stderr)
        raise
    else:
        return 0
    for reason in reasons:
        print(f"edge {command}: {reason}", file=sys.stderr)
    if warning:
        print(warning, file=sys.stderr)
    return status


def _notes(exception: BaseException) -> list[str]:
    return getattr(exception, "__notes__", [])


def told(
    plan: Plan, function: str, distribution: str, judgement: Iterable[str]
) -> Iterator[str]:
    """A plan as a person reads it before saying yes."""
    *of_function, last = [*plan.steps, None]
    if plan.steps and isinstance(plan.steps[-1], Associate):
        *of_function, last = plan.steps
    if of_function:
        yield f"function {function} (us-east-1)"
        for step in of_function:
            yield from (f"  {line}" for line in _lines(step))
    if last is not None:
        yield f"distribution {distribution}"
        yield from (f"  {line}" for line in _lines(last))
    yield from judgement
    yield from (f"note: {note}" for note in plan.notes)
    if not plan.steps:
        yield "nothing to change"


def _lines(step: Step) -> Iterator[str]:
    match step:
        case CreateRole(name):
            yield f"create the role {name}, for {' and '.join(sorted(PRINCIPALS))}"
        case AllowLogs(role):
            yield f"attach AWSLambdaBasicExecutionRole to {role}: it may write logs"
        case CreateFunction(new):
            yield (
                f"create it: {new.runtime}, {new.architecture}, {new.memory} MB,"
                f" {new.timeout} s, handler {new.handler}"
            )
        case UpdateCode(changes=changes) | Configure(changes=changes):
            yield from _table(changes)
        case Publish():
            yield "publish a version"
        case Associate(changes=places):
            for place in places:
                yield place.where
                yield from (f"  {line}" for line in _table(place.changes))
        case _:
            assert_never(step)


def _table(changes: tuple[Change, ...]) -> Iterator[str]:
    width = max(len(change.what) for change in changes)
    for change in changes:
        yield f"{change.what:{width}}  {change.before} → {change.after}"
