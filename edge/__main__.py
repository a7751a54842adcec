"""The command line: python -m edge. Each command has a file of its own."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from . import build_command
from .check import command as check_command
from .deploy import deploy_command, rollback_command, rotate_command

# Each adds its parser, with the function that runs it.
COMMANDS = (
    build_command,
    deploy_command,
    check_command,
    rollback_command,
    rotate_command,
)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options = _parser().parse_args(arguments)
    status: int = options.run(options, environment)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edge", description="Tools for the gate at the CDN."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
