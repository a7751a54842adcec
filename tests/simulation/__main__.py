"""python -m tests.simulation [--seeds N] [--from N] [--jobs N] [--story SEED]

Plays N schedules on all cores. Exits with 1 where one of them breaks a promise: then it
prints the seed, the commit, and the smallest schedule that it can find.
"""

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from os import cpu_count

from .oracles import violations
from .plan import Plan, draw
from .play import play
from .shrink import shrink
from .story import story

_BLOCK = 250


def failures(seeds: range) -> list[tuple[int, list[str]]]:
    """Of these schedules, by seed."""
    found = []
    with _silence():
        for seed in seeds:
            wrong = violations(play(draw(seed)))
            if wrong:
                found.append((seed, wrong))
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """What the middleware logs of a thousand outages is of no use to anybody."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def smallest(seed: int) -> Plan:
    """That fails by the same rule."""
    rules = {said[:3] for said in violations(play(draw(seed)))}

    def fails(plan: Plan) -> bool:
        return any(said[:3] in rules for said in violations(play(plan)))

    return shrink(draw(seed), fails)


def explained(seed: int) -> str:
    """What a person needs to find the cause."""
    with _silence():
        plan = smallest(seed)
        history = play(plan)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - the user's own
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    lines = [f"seed {seed}, commit {commit or 'unknown'}", str(plan)]
    return "\n".join([*lines, *story(history), *violations(history)])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="SEED")
    parser.add_argument("--jobs", type=int, default=cpu_count())
    parser.add_argument("--story", type=int, metavar="SEED", help="of one schedule")
    asked = parser.parse_args(arguments)
    if asked.story is not None:
        with _silence():
            history = play(draw(asked.story))
        print("\n".join([*story(history), *violations(history)]))
        return 0
    begun, wrong = time.perf_counter(), 0
    for seed, said in _played(range(asked.first, asked.first + asked.seeds), asked):
        wrong += 1
        print(f"seed {seed}: {'; '.join(said)}", flush=True)
        if wrong == 1:
            print(explained(seed), flush=True)
    seconds = time.perf_counter() - begun
    print(
        f"{asked.seeds:_} schedules from {asked.first} in {seconds:.0f} s "
        f"({asked.seeds / seconds:.0f}/s): {wrong} broke a promise"
    )
    return int(wrong > 0)


def _played(seeds: range, asked: argparse.Namespace) -> Iterator[tuple[int, list[str]]]:
    blocks = [seeds[at : at + _BLOCK] for at in range(0, len(seeds), _BLOCK)]
    with ProcessPoolExecutor(asked.jobs) as pool:
        for found in pool.map(failures, blocks):
            yield from found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
