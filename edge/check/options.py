"""The options of check, in the groups that its help has."""

import argparse
from pathlib import Path

ROUTES = Path("routes.toml")


def add_source(command: argparse.ArgumentParser) -> None:
    source = command.add_argument_group("what is checked").add_argument
    which = command.add_mutually_exclusive_group(required=True).add_argument
    which("--distribution-id", metavar="ID", help="in the account, as it is now")
    which("--from-file", type=Path, metavar="FILE", help="as --save has written it")
    source("--save", type=Path, metavar="FILE", help="write what AWS said, no secrets")
    source("--profile", help="of your AWS configuration")
    source("--function-name", metavar="NAME", help="(default: the one associated)")
    source(
        "--regions",
        nargs="+",
        metavar="REGION",
        help="where to look for logs and alarms (default: everywhere)",
    )


def add_local(command: argparse.ArgumentParser) -> None:
    local = command.add_argument_group("what it is compared with").add_argument
    local("--bundle", type=Path, metavar="ZIP", help="the one that was deployed")
    local("--routes", type=Path, metavar="FILE", help=f"(default: {ROUTES})")
    local(
        "--allow-http-origin",
        action="store_true",
        help="the way to the origin is private",
    )


def add_probes(command: argparse.ArgumentParser) -> None:
    probes = command.add_argument_group("what is tried").add_argument
    probes("--no-probes", action="store_true", help="send no request")
    probes("--url", default="", help="where clients ask (default: the distribution's)")
    probes("--path", default="", help="a gated path (default: that of a route)")
    probes(
        "--payment",
        default="",
        metavar="PROOF",
        help="x402-payment of a real payment, or @file; it is spent once",
    )
    probes("--origin-url", default="", help="the origin itself, around the gate")
