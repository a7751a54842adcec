"""The demo: one payment and its retries. `serve`: on a page, or with curl."""

import argparse
import asyncio
import signal
import sys
from types import FrameType

from . import page
from .machine import Machine, running
from .processes import NoServerError, ServiceError
from .steps import STEPS, X402_STEPS
from .story import play

PAGE = """
See every message, and break things:  {page}
"""
CURL = """
Or try this in another terminal:

  # no payment: 402, with the price
  curl -i {url}/api/joke

  # paid: 200. Again: the same bytes, and idempotent-replayed: true
  curl -i {url}/api/joke -H 'x402-payment: stub-1'

  # paid, with a side effect. Again: 201 replayed. With another topic: 422
  curl -i {url}/premium/report -H 'x402-payment: stub-2' --json '{{"topic": "tea"}}'

  # a forged intent: it arrives as null
  curl -s {url}/health -H 'x-settlement-intent-id: forged'

  # around the gate: 401, because the gate has not signed the intent
  curl -s {origin}/api/joke -H 'x-settlement-intent-id: forged'

  # the side effects, the settlements, and the log of the gate
  cat {directory}/ledger.jsonl
  curl -s {facilitator}/_ledger
  cat {directory}/edge.log

Ctrl-C stops everything and removes the files.
"""

X402 = """
Payments are signed by the official SDK's client, which the page's buttons use.

  # what to pay, in the header payment-required
  curl -i {url}/api/joke

  # the side effects, the settlements, and the log of the gate
  cat {directory}/ledger.jsonl
  curl -s {facilitator}/_ledger
  cat {directory}/edge.log

Ctrl-C stops everything and removes the files.
"""

# SIGHUP: the terminal was closed.
SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT


def main() -> int:
    options = _parser().parse_args()
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        standard = options.facilitator == "x402"
        with running(options.port, standard=standard) as machine:
            if options.command == "serve":
                return _serve(machine)
            steps = X402_STEPS if standard else STEPS
            return 0 if asyncio.run(play(machine, steps)) else 1
    except (NoServerError, ServiceError) as exc:
        print(f"sample_origin: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


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
        "--facilitator",
        choices=["nexflow", "x402"],
        default="nexflow",
        help="NexFlow's, with stub payments (default); or a standard x402 v2 one, over "
        "a pretended chain, with payments that the official SDK's client signs",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="CloudFront's port (default: a free one)"
    )
    return parser


def _interrupt(_: int, __: FrameType | None) -> None:
    for number in SIGNALS:  # a second Ctrl-C does not interrupt the cleaning up
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _serve(machine: Machine) -> int:
    try:
        with page.serving(machine) as url:
            print(PAGE.format(page=url), flush=True)
            print(
                (X402 if machine.standard else CURL).format(
                    url=machine.cloudfront.url,
                    origin=machine.origin.url,
                    facilitator=machine.facilitator.url,
                    directory=machine.directory,
                ),
                flush=True,
            )
            signal.pause()
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
