"""The command line: python -m edge."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import NoReturn

from .build import command as build_command
from .check import command as check_command
from .deploy.commands import add_deploy, add_rollback, add_rotate
from .emulator import command as emulate_command
from .errors import COMMAND

# As shells count SIGINT and SIGPIPE.
INTERRUPTED, SIGPIPE_STATUS = 130, 141

# Each adds a parser, with the function that runs the command.
COMMANDS = (
    build_command.add,
    emulate_command.add,
    add_deploy,
    check_command.add,
    add_rollback,
    add_rotate,
)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options, environment)
        sys.stdout.flush()  # here, where what goes wrong is caught
    except KeyboardInterrupt:
        print("\ninterrupted. Repeat the command to go on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _after_broken_pipe()
    return status


def _after_broken_pipe() -> int:
    """The reader of our output has closed the pipe, as `head` does. The rest of the
    output goes to /dev/null, or Python would complain again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SIGPIPE_STATUS


def _replace_unencodable() -> None:
    """A terminal without arrows must not stop a deployment halfway."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Tools for the gate at the CDN."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in COMMANDS:
        add(commands)
    return parser


def run() -> NoReturn:
    """The command of the wheel."""
    _replace_unencodable()
    sys.exit(main(sys.argv[1:], os.environ))


if __name__ == "__main__":
    run()
