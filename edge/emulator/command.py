"""python -m edge emulate: CloudFront and the bundle in front of an origin on this
machine."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path
from urllib.parse import urlsplit

from ..aws.lambda_at_edge import TIMEOUT, X402_TIMEOUT
from ..build.bundle import Bundle, read_bundle
from ..errors import COMMAND, Refused
from .distribution import (
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    Behaviour,
    Distribution,
    Function,
    Origin,
)
from .lambda_function import check_bundle

FAILED, REFUSED = 1, 2  # the latter as argparse
PORT = 8402
# Seconds, to find out whether the origin is there.
CONNECT = 1.0

EPILOG = """\
The facilitator of the bundle is called for real: for a try, build the bundle with a
test key. A few lines say what CloudFront and the gate did for each request. Ctrl-C ends
the command, and nothing is left of it.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "emulate",
        help="put CloudFront and the bundle in front of an origin on this machine",
        description="CloudFront on this machine, with the bundle on viewer-request and"
        " origin-response, in front of your own origin.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = command.add_argument
    option(
        "--bundle",
        type=Path,
        default=Path("lambda-edge.zip"),
        help=f"the zip that `{COMMAND} build` wrote (default: %(default)s)",
    )
    option(
        "--origin",
        required=True,
        metavar="URL",
        help="where your app listens: http://127.0.0.1:8000",
    )
    listen = command.add_mutually_exclusive_group()
    listen.add_argument(
        "--port",
        type=int,
        default=PORT,
        help="on 127.0.0.1; 0 picks a free one (default: %(default)s)",
    )
    listen.add_argument("--fd", type=int, help="an inherited socket that is bound")
    option(
        "--log-file",
        type=Path,
        metavar="FILE",
        help="append the function's own log lines, as CloudWatch would get them",
    )
    option(
        "--origin-response-timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="then a GET is sent again, up to three times (default: %(default)g)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace, _: Mapping[str, str]) -> int:
    """Serve until Ctrl-C or SIGTERM, and then return 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops in good order first, then raises the signal again for us.
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        server = import_module(f"{__package__}.server")
        check_bundle(options.bundle)
        bundle = read_bundle(options.bundle)
        cloudfront = server.CloudFront(_distribution(options, bundle), show=_show)
        listener = _listener(options)
    except ModuleNotFoundError as missing:
        return _refuse(
            f"the Python package {missing.name} is missing. In a checkout of this"
            " project, `make install` puts what the emulator needs into .venv; then run"
            " `.venv/bin/python -m edge emulate`."
        )
    except (Refused, ValueError) as refused:
        return _refuse(str(refused))

    def ready(url: str) -> None:
        _show(url)
        _show(_described(options, bundle))

    serving = server.Server(cloudfront, ready)
    with contextlib.closing(listener):
        asyncio.run(serving.serve(sockets=[listener]))
    return 0 if serving.started else FAILED


def _distribution(options: argparse.Namespace, bundle: Bundle) -> Distribution:
    """As `deploy` sets one up that has its default behaviour only."""
    return Distribution(
        origin=Origin(options.origin, response_timeout=options.origin_response_timeout),
        function=Function(
            options.bundle,
            timeout=TIMEOUT if bundle.settings.x402 is None else X402_TIMEOUT,
            log_file=options.log_file,
        ),
        behaviours=(Behaviour(origin_request_policy=ALL_VIEWER_EXCEPT_HOST_HEADER),),
    )


def _listener(options: argparse.Namespace) -> socket.socket:
    if options.fd is None:
        return _bound(options.port)
    try:
        return socket.socket(fileno=options.fd)
    except OSError as error:
        raise ValueError(f"--fd {options.fd} is not a socket: {error}") from error


def _bound(port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise ValueError(
            f"cannot listen on port {port}: {reason}. Name another with --port;"
            " 0 picks a free one."
        ) from error
    return listener


def _described(options: argparse.Namespace, bundle: Bundle) -> str:
    facilitator = bundle.settings.facilitator
    scheme = "https" if facilitator.secure else "http"
    lines = {
        "bundle": f"{options.bundle}, run by {_runtime()}",
        "facilitator": f"{scheme}://{facilitator.authority}{facilitator.path}, "
        "which is called for real",
        "origin": f"{options.origin}{_doubt(options.origin)}",
        "paid": ", ".join(bundle.paths) + "; every other path is free",
    }
    return "\n".join(f"    {name:11}  {text}" for name, text in lines.items())


def _runtime() -> str:
    try:
        return f"AWS's runtime, awslambdaric {metadata.version('awslambdaric')}"
    except metadata.PackageNotFoundError:
        return "a small runtime of ours: AWS's own, awslambdaric, is not installed"


def _doubt(origin: str) -> str:
    """An origin may start later, and then be restarted: it is no reason to refuse."""
    parts = urlsplit(origin)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT).close()
    except OSError as error:
        reason = error.strerror or error
        return f", which does not answer yet ({reason}): until then, 502"
    return ""


def _refuse(message: str) -> int:
    print(f"edge emulate: {message}", file=sys.stderr)
    return REFUSED


def _show(text: str) -> None:
    print(text, flush=True)
