"""Why the store refuses, for the log. The client is not told, and the operator has to
know; but not once for each of the thousands of requests of an outage.
"""

import logging

from .errors import StoreError

_log = logging.getLogger("origin_middleware")

# Seconds between two lines of one kind.
_PAUSE = 10.0


class Complaints:
    def __init__(self) -> None:
        self._next: dict[type[StoreError], float] = {}
        self._unsaid: dict[type[StoreError], int] = {}

    def add(self, error: StoreError, now: float) -> None:
        """`now` is in seconds, by a clock that is not set."""
        kind = type(error)
        if now < self._next.get(kind, now):
            self._unsaid[kind] += 1
            return
        more = self._unsaid.get(kind, 0)
        also = f" ({more} more since the last line)" if more else ""
        _log.warning("The store failed a request: %s%s", error, also)
        self._next[kind], self._unsaid[kind] = now + _PAUSE, 0
