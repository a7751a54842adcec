"""The command line: python -m edge. Each command has a file of its own."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper

from .build import command as build_command
from .check import command as check_command
from .deploy import deploy_command, rollback_command, rotate_command
from .emulator import command as emulate_command

# As shells count SIGINT and SIGPIPE.
INTERRUPTED, UNHEARD = 130, 141

# Each adds its parser, with the function that runs it.
COMMANDS = (
    build_command,
    emulate_command,
    deploy_command,
    check_command,
    rollback_command,
    rotate_command,
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
        return _unheard()
    return status


def _unheard() -> int:
    """Whoever read our output has had enough of it, as `head` does. What is still to
    be flushed goes nowhere, or Python would complain once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNHEARD


def _show_what_can_be_shown() -> None:
    """A terminal without arrows must not end a deployment in its middle."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edge", description="Tools for the gate at the CDN."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    _show_what_can_be_shown()
    sys.exit(main(sys.argv[1:], os.environ))
