"""origin-middleware: read the records of a store, and decide an unknown outcome.

Reading never writes. Exit status: 0 done; 1 no (absent, refused, found with --fail);
2 could not ask, or asked wrongly.
"""

import argparse
import asyncio
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper

from . import listing, resolving, server, showing
from .opened import CannotAsk, opened, shows_key
from .talking import Talk

INTERRUPTED = 130  # as shells count SIGINT


def run() -> None:
    """The entry point of the command."""
    if isinstance(sys.stdout, TextIOWrapper):  # it may not have every character
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    talk = Talk(as_json=options.json)
    if shows_key(options):
        talk.advise(
            "the key is now in this shell's history, and whoever has it can ask for "
            "what was paid. KEY as - is read from standard input; sha256:HEX is no "
            "secret"
        )
    try:
        return asyncio.run(_ask(options, talk))
    except CannotAsk as why:
        talk.error(str(why))
        return 2
    except KeyboardInterrupt:
        talk.error("interrupted")
        return INTERRUPTED
    except Exception as fault:  # 1 would be an answer
        traceback.print_exc()
        talk.error(f"{type(fault).__name__}: {fault}")
        return 2


async def _ask(options: argparse.Namespace, talk: Talk) -> int:
    status: int
    if not options.asks_server:
        status = options.run(options, talk)
        return status
    async with opened(options) as records:
        status = await options.run(options, talk, records)
        return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="origin-middleware",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(asks_server=True)
    server_of = argparse.ArgumentParser(add_help=False)
    where = server_of.add_argument_group("the store")
    where.add_argument(
        "--store",
        metavar="MODULE:NAME",
        help="your RedisStore, as shop.main:store; with its TLS, Sentinel or cluster",
    )
    where.add_argument("--url", help="a server instead: redis://… (default: REDIS_URL)")
    where.add_argument(
        "--namespace", help="the store's namespace; only with --url (default: idem)"
    )
    where.add_argument(
        "--json", action="store_true", help="one JSON object a line, for programs"
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in (showing, listing, resolving, server):
        module.add(commands, server_of)
    return parser
