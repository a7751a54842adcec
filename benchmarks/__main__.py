"""`make bench`: what the middleware costs, as ratios to controls of the same run.

    make bench                     everything, in about seven minutes
    make bench ARGS=--quick        the same with small numbers, in about one
    make bench ARGS="--rows origin-middleware,idemkit"

Measured: one request in process, from the call of the ASGI app to its return, on stock
asyncio, with a real server on loopback. Not measured: the HTTP server and the client.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.measures import FULL, QUICK
from benchmarks.report import markdown, terminal
from benchmarks.results import Results
from benchmarks.rounds import ControlFailed
from benchmarks.rows import UnknownRowError, chosen
from benchmarks.run import run
from benchmarks.server import NoServerError, find_binary

_RESULTS = Path("benchmarks/results.json")
_BEGUN = time.perf_counter()


def main(arguments: list[str]) -> int:
    asked = _arguments().parse_args(arguments)
    try:
        if asked.markdown:
            print(markdown.text(_read(asked.markdown)))
        elif asked.report:
            print(terminal.text(_read(asked.report)))
        else:
            print(terminal.text(_measured(asked)))
    except (ControlFailed, NoServerError, UnknownRowError, OSError) as exc:
        print(f"benchmarks: {exc}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--quick", action="store_true", help="small numbers, more noise")
    add("--rounds", type=int, help="instead of 5, or 3 with --quick")
    add("--rows", default="", help="names, with commas in between; default: all")
    add("--server", type=Path, help="a redis-server or valkey-server; default: wheel")
    add("--json", type=Path, default=_RESULTS, help="where the results are written")
    add("--log", type=Path, default=Path("/dev/null"), help="what the rows print")
    add("--report", type=Path, metavar="JSON", help="show earlier results again")
    add("--markdown", type=Path, metavar="JSON", help="print them as Markdown")
    return parser


def _read(path: Path) -> Results:
    results: Results = json.loads(path.read_text())
    return results


def _measured(asked: argparse.Namespace) -> Results:
    rows = chosen([name for name in asked.rows.split(",") if name])
    effort = QUICK if asked.quick else FULL
    if asked.rounds:
        effort = replace(effort, rounds=asked.rounds)
    results = run(rows, effort, asked.server or find_binary(), asked.log, _say)
    asked.json.write_text(json.dumps(results, indent=1) + "\n")
    return results


def _say(done: str) -> None:
    print(f"{time.perf_counter() - _BEGUN:4.0f} s  {done}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
