"""`python -m tests.simulation --seeds 10000 --from 0`: plays schedules on all cores.

A failure is shrunk, and shown with its seed and the commit. `--seed 17` plays one, and
shows what happened in it.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pprint import pformat

from .plan import drawn
from .play import play, quietly
from .schedules import Failure, failures, played
from .shrinking import shrunk
from .telling import story

# Schedules of one task of a core: some seconds.
_AT_ONCE = 1_000


def main() -> int:
    options = _options()
    if options.seed is not None:
        return _show(options.seed)
    begun, end = time.monotonic(), options.first + options.seeds
    starts = range(options.first, end, _AT_ONCE)
    parts = [range(start, min(start + _AT_ONCE, end)) for start in starts]
    failed: list[Failure] = []
    with ProcessPoolExecutor(options.cores) as pool:
        for found in pool.map(_failures, parts):
            failed += found
            for failure in found:
                print(f"seed {failure.seed}, commit {commit()}")
                for violation in failure.violations:
                    print(f"  {violation}")
    took = time.monotonic() - begun
    for failure in failed[:3]:
        with quietly():
            smallest = shrunk(drawn(failure.seed), played)
            left = played(smallest)
        print(f"\nThe smallest plan of seed {failure.seed}:\n{pformat(smallest)}")
        print(*left, sep="\n")
    print(
        f"{options.seeds:,} schedules from seed {options.first:,} in {took:.0f} s "
        f"({options.seeds / took:.0f}/s), commit {commit()}: "
        f"{len(failed)} with a violation"
    )
    return 1 if failed else 0


def commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - the user's own
        capture_output=True,
        text=True,
        check=False,
    )
    changed = subprocess.run(
        ["git", "diff", "--quiet", "HEAD", "--", "origin_middleware"],  # noqa: S607 - the user's own
        check=False,
    )
    return said.stdout.strip() + ("" if changed.returncode == 0 else " and changes")


def _failures(seeds: range) -> list[Failure]:
    return list(failures(seeds))


def _show(seed: int) -> int:
    plan = drawn(seed)
    with quietly():
        books, server = play(plan)
        found = played(plan)
    print(pformat(plan))
    print("\n".join(story(books, server)))
    for violation in found:
        print(violation)
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
