"""The memory of one Lambda environment, from one invocation to the next.

Between two invocations the process is frozen, for a second or for an hour, and only the
wall clock goes on. So everything here is kept with its time.
"""

from collections.abc import Callable
from time import time

from .channel import Channel
from .gate import Answer
from .routes import Route

Clock = Callable[[], float]

# Firewalls on the way to the facilitator forget a silent connection within minutes,
# without a word. A question sent over it is never answered.
LONGEST_SILENCE = 30.0
_MOST_CHANNELS = 2
# A changed price is shown after this time.
LONGEST_ANSWER_KEPT = 30.0


class Memory:
    def __init__(self, now: Clock = time) -> None:
        self._now = now
        self._channels: list[tuple[float, Channel]] = []
        self._unpaid: dict[Route, tuple[float, Answer]] = {}
        """One for each route of the bundle at most."""

    def keep(self, channel: Channel) -> None:
        self._channels.append((self._now(), channel))
        if len(self._channels) > _MOST_CHANNELS:  # a question asked twice leaves two
            self._channels.pop(0)[1].hang_up()

    def keeps(self, channel: Channel) -> bool:
        return any(kept is channel for _, kept in self._channels)

    def take(self) -> Channel | None:
        """Taken out while in use, so that two threads never meet on one connection."""
        while self._channels:
            since, channel = self._channels.pop()
            if self._is_recent(since, LONGEST_SILENCE) and channel.is_quiet():
                return channel
            channel.hang_up()
        return None

    def keep_unpaid(self, route: Route, answer: Answer) -> None:
        self._unpaid[route] = (self._now(), answer)

    def unpaid(self, route: Route) -> Answer | None:
        """Verify's answer to the route's last request without a payment."""
        since, answer = self._unpaid.get(route, (0.0, None))
        return answer if self._is_recent(since, LONGEST_ANSWER_KEPT) else None

    def close(self) -> None:
        self._unpaid.clear()
        while self._channels:
            self._channels.pop()[1].hang_up()

    def _is_recent(self, since: float, seconds: float) -> bool:
        """False if the clock was set back: then the age is unknown."""
        return 0 <= self._now() - since < seconds
