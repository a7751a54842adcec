"""Runs a command to its exit status: whatever goes wrong is said in words."""

import sys
from collections.abc import Callable

from ..aws.session import AwsTrouble, BotoMissing
from ..build.bundle import BundleRefused
from ..build.environment import BuildRefused
from ..build.routes_file import RoutesRefused
from .deployment import NotDone
from .outcome import Stuck

FAILED = 1
REFUSED = 2  # as argparse: there is something to change before it can be repeated
INTERRUPTED = 130  # as shells count SIGINT


def attempt(command: str, act: Callable[[], None], warning: str = "") -> int:
    """The warning is for whoever would take it for done."""
    status = _status(command, act)
    if status and warning:
        print(warning, file=sys.stderr)
    return status


def _status(command: str, act: Callable[[], None]) -> int:
    try:
        act()
    except (BuildRefused, RoutesRefused, BundleRefused, BotoMissing) as refused:
        return _say(command, str(refused), REFUSED)
    except NotDone as refused:
        for reason in refused.reasons:
            _say(command, reason, REFUSED)
        return REFUSED
    except (AwsTrouble, Stuck) as trouble:
        return _say(command, str(trouble), FAILED)
    except KeyboardInterrupt:
        done = "interrupted. Repeat the command to go on: nothing is done twice."
        return _say(command, done, INTERRUPTED)
    return 0


def _say(command: str, line: str, status: int) -> int:
    print(f"edge {command}: {line}", file=sys.stderr)
    return status
