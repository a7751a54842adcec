"""The command line: python -m edge build."""

import argparse
import os
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from .build import (
    KEY_VARIABLE,
    URL_VARIABLE,
    BuildRefused,
    Bundle,
    build,
    read_environment,
    warnings,
    write,
)
from .routes_file import RoutesRefused, read_routes

REFUSED = 2  # as argparse


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        secrets = read_environment(environment)
        bundle = build(secrets, read_routes(options.routes))
        write(bundle, options.output)
    except (BuildRefused, RoutesRefused) as refused:
        print(f"edge build: {refused}", file=sys.stderr)
        return REFUSED
    for warning in warnings(secrets):
        print(f"warning: {warning}", file=sys.stderr)
    _describe(bundle, options.output)
    return 0


def _describe(bundle: Bundle, output: Path) -> None:
    for name, size in bundle.files:
        print(f"{size:8,}  {name}")
    digest = bundle.digest
    print(f"{len(bundle.content):8,}  {output}")
    print(f"sha256      {digest}")
    print(f"CodeSha256  {b64encode(bytes.fromhex(digest)).decode()}  (as AWS shows it)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edge", description="Tools for the gate at the CDN."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser(
        "build",
        help="build the Lambda@Edge bundle",
        description="Build the Lambda@Edge bundle. Its handler is handler.handler.",
        epilog=(
            f"environment: {URL_VARIABLE} is the facilitator's base URL, {KEY_VARIABLE}"
            " the key it knows you by. Both are baked into the bundle, because"
            " Lambda@Edge has no environment variables. So the bundle holds a secret."
        ),
    )
    command.add_argument(
        "--routes",
        type=Path,
        default=Path("routes.toml"),
        help="what is paid for (default: %(default)s)",
    )
    command.add_argument(
        "--output",
        type=Path,
        default=Path("lambda-edge.zip"),
        help="the zip to write (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
