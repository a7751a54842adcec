"""The options that the commands share, and their meaning."""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..aws.distribution import distribution_id
from ..aws.forwarding import X402_CONTRACT
from ..aws.lambda_at_edge import MEMORY, RUNTIMES, TIMEOUT, X402_TIMEOUT
from ..build.bundle import Bundle, read_bundle
from ..build.command import add_offline, bundle_from
from ..build.environment import (
    PUBLIC_URL,
    TEST,
    TEST_KEY_REFUSED,
    X402_EXAMPLE,
    out_of_reach,
    url_variable,
    warnings,
)
from ..build.zip import changed
from ..errors import COMMAND, Refused
from ..runtime.intent import CONTRACT_HEADERS
from ..runtime.settings import Settings
from .model import Spec
from .run import Pace

DEFAULT_NAME = "x402-edge"
_LONGEST_WAIT = 1800

Parser = argparse.ArgumentParser


def add_target(command: Parser) -> None:
    command.add_argument(
        "--distribution-id",
        required=True,
        type=distribution_id,
        metavar="ID",
        help="the CloudFront distribution in front of the API",
    )
    command.add_argument(
        "--function-name",
        default=DEFAULT_NAME,
        type=_function,
        metavar="NAME",
        help="the gate's function, in us-east-1 (default: %(default)s)",
    )
    command.add_argument(
        "--profile",
        help="the AWS profile to use (default: as for the AWS command line)",
    )


def add_bundle(command: Parser) -> None:
    source = command.add_mutually_exclusive_group()
    _add_routes(source)
    source.add_argument(
        "--bundle",
        type=Path,
        metavar="ZIP",
        help="deploy this bundle, and the routes in it, instead of building one",
    )
    _add_test_key(command)
    add_offline(command)


def add_routes(command: Parser) -> None:
    _add_routes(command)
    _add_test_key(command)
    add_offline(command)


def _add_routes(to: "argparse._ActionsContainer") -> None:
    to.add_argument(
        "--routes",
        type=Path,
        default=Path("routes.toml"),
        metavar="FILE",
        help="the paid routes (default: %(default)s)",
    )


def _add_test_key(command: Parser) -> None:
    command.add_argument(
        "--allow-test-key",
        action="store_true",
        help="deploy a key that accepts stub proofs as payments",
    )


def add_function(command: Parser) -> None:
    command.add_argument(
        "--role",
        type=_role,
        metavar="ARN",
        help="the role the function runs as (default: the one it has; a new function"
        " gets a new role, NAME-role, that may write logs and nothing else)",
    )
    command.add_argument(
        "--memory",
        type=_memory,
        metavar="MB",
        help=f"default: the function's own; {MEMORY} for a new one",
    )
    command.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="default: the function's own, if it is one of these;"
        f" otherwise {RUNTIMES[0]}",
    )


def add_pace(command: Parser) -> None:
    command.add_argument(
        "--plan", action="store_true", help="show what would change, and stop"
    )
    command.add_argument(
        "--yes", action="store_true", help="go on without asking, as in a pipeline"
    )
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=_LONGEST_WAIT,
        metavar="SECONDS",
        help="the longest wait for any one thing of AWS's (default: %(default)s)",
    )


def add_no_wait(command: Parser) -> None:
    command.add_argument(
        "--no-wait",
        action="store_true",
        help="stop as soon as CloudFront has accepted the change",
    )


def _function(text: str) -> str:
    return _matching(text, r"[A-Za-z0-9_-]{1,64}", "a function's name, without an ARN")


def _role(text: str) -> str:
    return _matching(
        text, r"arn:aws:iam::\d{12}:role/\S+", "arn:aws:iam::123456789012:role/NAME"
    )


def version_number(text: str) -> int:
    return _between(text, 1, 10**9)


def _memory(text: str) -> int:
    return _between(text, 128, 10_240)


def _seconds(text: str) -> int:
    return _between(text, 0, 86_400)


def _matching(text: str, pattern: str, example: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not {example}")
    return text


def _between(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {least} to {most}, not {text!r}"
        )
    return int(text)


def bundle_of(options: argparse.Namespace, environment: Mapping[str, str]) -> Bundle:
    """The given bundle, or a new one. Raises Refused."""
    if options.bundle:
        bundle = read_bundle(options.bundle)
        _refuse_other_code(bundle, options.bundle)
    else:
        bundle = bundle_from(options, environment)
    for warning in warnings(bundle.settings):
        print(f"warning: {warning}", file=sys.stderr)
    objections = tuple(_objections(bundle, options.allow_test_key))
    if objections:
        raise Refused(*objections)
    return bundle


def _refuse_other_code(bundle: Bundle, file: Path) -> None:
    """It would see every payment, and hold every key."""
    other = changed(bundle)
    if other:
        raise Refused(
            f"the code in {file} differs from this checkout: {', '.join(other)}."
            f" Build it again with {COMMAND} build, or deploy it with the checkout"
            " that has built it."
        )


def _objections(bundle: Bundle, allow_test_key: bool) -> Iterator[str]:
    """Settings that are fine in a bundle, but wrong on the internet."""
    where = out_of_reach(bundle.settings.facilitator.host)
    if where:
        yield (
            f"the facilitator is {where}, which the edge cannot connect to."
            f" Build with {_public_url(bundle.settings)}."
        )
    elif not bundle.settings.facilitator.secure:  # somebody has edited the zip
        yield (
            "the facilitator is asked over http://, which shows your API key to"
            f" everybody on the way. Build with {_public_url(bundle.settings)}."
        )
    if bundle.settings.api_key.startswith(TEST) and not allow_test_key:
        yield TEST_KEY_REFUSED


def _public_url(settings: Settings) -> str:
    example = PUBLIC_URL if settings.x402 is None else X402_EXAMPLE
    return f"{url_variable(settings)}={example}"


def spec_of(options: argparse.Namespace, bundle: Bundle) -> Spec:
    is_x402 = bundle.settings.x402 is not None
    return Spec(
        function=options.function_name,
        code=bundle.code,
        paths=bundle.paths,
        role=options.role,
        memory=options.memory,
        runtime=options.runtime,
        replace=options.replace,
        timeout=X402_TIMEOUT if is_x402 else TIMEOUT,
        contract=X402_CONTRACT if is_x402 else CONTRACT_HEADERS,
    )


def pace_of(options: argparse.Namespace) -> Pace:
    waits = not getattr(options, "no_wait", False)
    return Pace(yes=options.yes, wait=waits, timeout=options.timeout)
