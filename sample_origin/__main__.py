"""`python -m sample_origin`: the story. `python -m sample_origin serve`: to try it."""

import argparse
import asyncio
import signal
import sys
from types import FrameType

from .machine import Machine
from .redis_server import NoServerError
from .service import ServiceError
from .story import tell

CURL = """
The chain is running. Try, in another terminal:

  # without payment: 402, with what has to be paid
  curl -i {url}/api/joke

  # paid: 200. Again: the same bytes, and idempotent-replayed: true
  curl -i {url}/api/joke -H 'x402-payment: stub-1'

  # paid, with a side effect. Again: 201 replayed. With another topic: 422
  curl -i {url}/premium/report -H 'x402-payment: stub-2' --json '{{"topic": "tea"}}'

  # a forged intent: null arrives
  curl -s {url}/health -H 'x-settlement-intent-id: forged'

  # past the gate: 401, because the gate has not signed it
  curl -s {origin}/api/joke -H 'x-settlement-intent-id: forged'

  # the side effects, the settlements, and what the gate logs
  cat {directory}/ledger.jsonl
  curl -s {facilitator}/_ledger
  cat {directory}/edge.log

Ctrl-C ends everything and removes the files.
"""


def main() -> int:
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGHUP: the terminal was closed
        signal.signal(number, _interrupt)
    try:
        with Machine(options.port) as machine:
            if options.command == "serve":
                return _serve(machine)
            return 0 if asyncio.run(tell(machine)) else 1
    except (NoServerError, ServiceError) as exc:
        print(f"sample_origin: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _serve(machine: Machine) -> int:
    print(
        CURL.format(
            url=machine.cloudfront.url,
            origin=machine.origin.url,
            facilitator=machine.facilitator.url,
            directory=machine.directory,
        ),
        flush=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    return 0


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sample_origin", description=__doc__
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["story", "serve"],
        default="story",
        help="play the story and exit (default), or leave everything running",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="of CloudFront; 0: a free one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
