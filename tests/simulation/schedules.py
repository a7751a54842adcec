"""One schedule after another, by their seeds."""

import gc
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .books import Violation
from .loop import Livelock
from .oracles import violations
from .plan import Plan, drawn
from .play import play, quietly

# What schedules leave behind are circles. Collected seldom, they push out of the
# processor's cache what the next schedule needs: at 50, it is 5 % slower.
_COLLECTED_EVERY = 10


class Failure(NamedTuple):
    seed: int
    violations: list[Violation]


def played(plan: Plan) -> list[Violation]:
    """What it violates."""
    try:
        return violations(*play(plan))
    except Livelock:
        return [Violation("I10", "callbacks without end")]


def failures(seeds: Iterable[int]) -> Iterator[Failure]:
    gc.freeze()  # a collection need not look through the modules
    try:
        with quietly():
            for number, seed in enumerate(seeds, 1):
                found = played(drawn(seed))
                if found:
                    yield Failure(seed, found)
                if number % _COLLECTED_EVERY == 0:
                    gc.collect()
    finally:
        gc.unfreeze()
