"""python -m edge build: writes the bundle, and warns about it."""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ..errors import REFUSED, Refused
from . import supported
from .bundle import Bundle
from .environment import (
    ACCEPTED,
    BEARER,
    CDP,
    KEY_VARIABLE,
    SIGNING,
    URL_VARIABLE,
    X402_URL,
    read_environment,
    read_x402_environment,
    refuse_test_key,
    warnings,
)
from .routes_file import read_routes
from .zip import build, write

VARIABLES = (
    (URL_VARIABLE, "the facilitator's base URL"),
    (KEY_VARIABLE, "the key it knows you by"),
    (SIGNING[0], "signs the intents: the output of `openssl rand -hex 32`"),
    (SIGNING[1], "a name for that secret, such as 2026-02"),
    (ACCEPTED[0], "a second secret, whose signatures are also settled"),
    (ACCEPTED[1], "its name"),
)
X402_VARIABLES = (
    (X402_URL, "the facilitator's base URL"),
    (BEARER, 'with auth = "bearer": the token'),
    (CDP[0], 'with auth = "cdp": the id of the key'),
    (CDP[1], "its secret, an Ed25519 key in base64"),
)
_LINES = "\n".join(f"  {name:28}  {use}" for name, use in VARIABLES)
_X402_LINES = "\n".join(f"  {name:28}  {use}" for name, use in X402_VARIABLES)
ENVIRONMENT = f"""\
environment:
{_LINES}

with facilitator = "x402" in the routes, in place of the first two:
{_X402_LINES}

All of it goes into the bundle, because Lambda@Edge has no environment variables.
So the bundle contains secrets.

The origin verifies with IdempotencyMiddleware(secrets={{key id: secret as bytes}}).

docs/deploying-the-edge.md, "The signing secret", says how to rotate it.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "build",
        help="build the Lambda@Edge bundle",
        description="Build the Lambda@Edge bundle. Its handler is handler.handler.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--routes",
        type=Path,
        default=Path("routes.toml"),
        help="the paid routes (default: %(default)s)",
    )
    command.add_argument(
        "--output",
        type=Path,
        default=Path("lambda-edge.zip"),
        help="the zip to write (default: %(default)s)",
    )
    command.add_argument(
        "--allow-test-key",
        action="store_true",
        help="build for a real facilitator with a key that accepts stub proofs",
    )
    add_offline(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    try:
        bundle = bundle_from(options, environment)
        write(bundle, options.output)
    except Refused as refused:
        print(f"edge build: {refused}", file=sys.stderr)
        return REFUSED
    for warning in warnings(bundle.settings):
        print(f"warning: {warning}", file=sys.stderr)
    _describe(bundle, options.output)
    return 0


def bundle_from(options: argparse.Namespace, environment: Mapping[str, str]) -> Bundle:
    """Raises Refused."""
    routes = read_routes(options.routes)
    if routes.x402 is None:
        secrets = read_environment(environment)
        if not options.allow_test_key:
            refuse_test_key(secrets)
        return build(secrets, routes)
    secrets = read_x402_environment(environment, routes.x402.auth)
    ask = None if options.offline else supported.ask
    file = supported.complete(routes.x402, secrets, time.time(), ask)
    return build(secrets, routes._replace(x402=file))


def add_offline(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--offline",
        action="store_true",
        help="do not ask a standard facilitator what it settles",
    )


def _describe(bundle: Bundle, output: Path) -> None:
    for name, size in bundle.files:
        print(f"{size:8,}  {name}")
    print(f"{len(bundle.content):8,}  {output}")
    print(f"sha256      {bundle.digest.hex()}")
    print(f"CodeSha256  {bundle.code}  (as AWS shows it)")
    signing = bundle.settings.signing
    for use, key in zip(("signs with", "accepts"), signing, strict=False):
        print(f"{use:10}  {key.id}")
