"""What is timed in every round, and what a figure is compared with."""

from dataclasses import dataclass
from typing import Literal

Keys = Literal["new", "same", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    name: str
    title: str
    keys: Keys
    """A new one for each request, always that of one completed request, or none."""
    path: str = "/1KiB"
    requests: int = 0
    """One after the other, for each row and round; the figure is their median time."""
    at_once: int = 1
    """More than one: the figure is how many are answered per second."""

    @property
    def is_rate(self) -> bool:
        return self.at_once > 1


FIRST = Measure(name="first", title="First execution", keys="new", requests=1200)
REPLAY = Measure(name="replay", title="Replay of 1 KiB", keys="same", requests=1200)
REPLAY_64K = Measure(
    name="replay-64k",
    title="Replay of 64 KiB",
    keys="same",
    path="/64KiB",
    requests=360,
)
REPLAY_1M = Measure(
    name="replay-1m", title="Replay of 1 MiB", keys="same", path="/1MiB", requests=36
)
NO_KEY = Measure(name="no-key", title="No key", keys="none", requests=3000)
FIRST_64 = Measure(
    name="first-64", title="First executions, 64 at once", keys="new", at_once=64
)
REPLAY_64 = Measure(
    name="replay-64", title="Replays of 1 KiB, 64 at once", keys="same", at_once=64
)

MEASURES = (FIRST, REPLAY, REPLAY_64K, REPLAY_1M, NO_KEY, FIRST_64, REPLAY_64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much of everything; `requests` is a fraction of each measure's."""

    rounds: int = 5
    chunks: int = 3
    """Inside a round the rows alternate this many times."""
    requests: float = 1.0
    seconds: float = 0.36
    """For each row and round, of many requests at once."""
    patience: float = 40.0
    """Seconds in all for measuring again what other processes disturbed."""
    storms: int = 5
    wake_ups: int = 20
    records: int = 50


FULL = Effort()
QUICK = Effort(
    rounds=3,
    chunks=1,
    requests=0.1,
    seconds=0.15,
    patience=10.0,
    storms=2,
    wake_ups=5,
    records=10,
)
