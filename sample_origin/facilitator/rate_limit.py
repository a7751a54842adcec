"""How many calls a key may make, and the headers that say so."""

import collections
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may still do in this window."""

    limit: int
    used: int
    reset: int

    @property
    def exceeded(self) -> bool:
        """Whether this call is one too many."""
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """Sent with every response; the reset is in seconds since the epoch."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(self.reset),
        }


class RateLimit:
    """So many calls per key in each window of a minute."""

    WINDOW = 60

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = 0
        self._used: collections.Counter[str] = collections.Counter()

    def untouched(self, now: float) -> Allowance:
        """For a caller whose key is not known: nothing is counted."""
        return Allowance(self._limit, 0, self._reset(now))

    def spend(self, key: str, now: float) -> Allowance:
        """Count one call."""
        reset = self._reset(now)
        if reset != self._window:
            self._window = reset
            self._used.clear()
        self._used[key] += 1
        return Allowance(self._limit, self._used[key], reset)

    def _reset(self, now: float) -> int:
        return (int(now) // self.WINDOW + 1) * self.WINDOW
