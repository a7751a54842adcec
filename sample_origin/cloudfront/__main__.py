"""The command line: `python -m sample_origin.cloudfront --bundle … --origin …`."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from .distribution import Behaviour, Distribution, Function
from .emulator import CloudFront
from .origins import Origin
from .policies import (
    ALL_VIEWER,
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
    CACHING_OPTIMIZED,
    CORS_CUSTOM_ORIGIN,
    NO_ORIGIN_REQUEST_POLICY,
    USER_AGENT_REFERER_HEADERS,
)
from .server import server_config

CACHE_POLICIES = {
    "CachingDisabled": CACHING_DISABLED,
    "CachingOptimized": CACHING_OPTIMIZED,
}
ORIGIN_REQUEST_POLICIES = {
    "none": NO_ORIGIN_REQUEST_POLICY,
    "AllViewer": ALL_VIEWER,
    "AllViewerExceptHostHeader": ALL_VIEWER_EXCEPT_HOST_HEADER,
    "CORS-CustomOrigin": CORS_CUSTOM_ORIGIN,
    "UserAgentRefererHeaders": USER_AGENT_REFERER_HEADERS,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit status 2 is for what the caller got wrong."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops in good order first, then raises the signal again for us.
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        cloudfront = CloudFront(_distribution(options))
        listener = _listener(options)
    except (ValueError, OSError) as error:
        print(f"cloudfront: {error}", file=sys.stderr)
        return 2
    with contextlib.closing(listener):
        asyncio.run(Server(server_config(cloudfront)).serve(sockets=[listener]))
    return 0


class Server(uvicorn.Server):
    """Prints where it listens, on one line, once it accepts requests."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            print(f"http://{host}:{port}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sample_origin.cloudfront",
        description="CloudFront on one machine, with an edge bundle on its triggers.",
    )
    add = parser.add_argument
    add(
        "--bundle",
        type=Path,
        required=True,
        help="the zip made by `python -m edge build`",
    )
    add(
        "--origin",
        required=True,
        help="where the origin listens: http://127.0.0.1:8000",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--port", type=int, default=0, help="on 127.0.0.1; 0 picks a free one"
    )
    where.add_argument(
        "--fd", type=int, help="an inherited socket that is bound already"
    )
    add(
        "--log-file",
        type=Path,
        help="the function's log, appended to (default: standard error)",
    )
    add("--handler", default="handler.handler", help="module.function in the bundle")
    add("--lambda-timeout", type=float, default=5.0, metavar="SECONDS")
    add("--concurrency", type=int, default=8, help="execution environments at most")
    add("--origin-response-timeout", type=float, default=30.0, metavar="SECONDS")
    add(
        "--connection-attempts",
        type=int,
        default=3,
        help="1 to 3; also for GET timeouts",
    )
    add("--cache-policy", choices=CACHE_POLICIES, default="CachingDisabled")
    add(
        "--origin-request-policy",
        choices=ORIGIN_REQUEST_POLICIES,
        default="AllViewer",
    )
    return parser


def _distribution(options: argparse.Namespace) -> Distribution:
    return Distribution(
        origin=Origin(
            options.origin,
            response_timeout=options.origin_response_timeout,
            attempts=options.connection_attempts,
        ),
        function=Function(
            options.bundle,
            handler=options.handler,
            timeout=options.lambda_timeout,
            concurrency=options.concurrency,
            log_file=options.log_file,
        ),
        behaviours=(
            Behaviour(
                cache_policy=CACHE_POLICIES[options.cache_policy],
                origin_request_policy=ORIGIN_REQUEST_POLICIES[
                    options.origin_request_policy
                ],
            ),
        ),
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
        raise ValueError(f"cannot listen on port {port}: {error}") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
