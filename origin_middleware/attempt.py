"""An execution as the seller's own code sees it. A handler can say how its execution
ended; a reconciler can say what became of one that was abandoned.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from .asgi import Scope
from .errors import ClaimLost
from .key import Key, as_sent
from .record import Fingerprint
from .response import StoredResponse

_PLACE = "origin_middleware.attempt"


class Statement(Enum):
    NOTHING_HAPPENED = "nothing happened"
    OUTCOME_UNKNOWN = "outcome unknown"


class Attempt:
    """One execution of a handler: `attempt_of(request.scope)`.

    A statement counts if the handler raises, or answers with a status that is not
    delivered. A delivered response is settled by the gate, so it is always recorded.
    """

    __slots__ = (
        "_begin",
        "_begun",
        "_outer",
        "_unconfirmed",
        "first",
        "key",
        "number",
        "statement",
    )

    def __init__(
        self,
        key: Key,
        *,
        first: bool,
        number: int = 1,
        begin: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.key = key
        self.first = first
        """False if this attempt took over from an abandoned one. An earlier attempt
        that failed and gave the key back counts only towards `max_attempts`."""
        self.number = number
        """Which attempt under this key it is: 1, or more after failures."""
        self.statement: Statement | None = None
        self._begin = begin
        self._begun = 0
        """Calls of `effects_begin` that were confirmed, or may yet be."""
        self._unconfirmed: Exception | None = None
        """What the last other one raised."""
        self._outer: Attempt | None = None
        """Of an instance outside, with a key of its own."""

    @property
    def intent(self) -> str:
        """The settlement intent, for your books and for the services that you call; or
        the value that `header` or `key_of` names instead. With a `tenant_of`, `key` has
        the tenant in front.
        """
        return as_sent(self.key)

    async def effects_begin(self) -> None:
        """Call this before your first side effect, with `Policy(effects="declared")`:
        an attempt that dies before it is simply run again, whatever `on_abandoned`
        says.

        It takes one round trip, and may be called again. Raises StoreUnavailable if the
        store does not confirm it, and ClaimLost if another request may have the key by
        now: let the exception propagate. Then nothing has happened, and a retry may
        run, also with `on_failure="refuse"`.
        """
        self._begun += 1
        try:
            if self._begin is not None and not await self._begin():
                raise ClaimLost(
                    "The claim of this attempt is gone: it was stalled for longer than "
                    "its lease, or the store has lost it. Another request may run the "
                    "handler."
                )
            if self._outer is not None:
                await self._outer.effects_begin()
        except Exception as error:
            self._begun -= 1
            self.refused(error)
            raise

    def refused(self, error: Exception) -> None:
        """`effects_begin` raised it, perhaps for the key of an instance inside."""
        self._unconfirmed = error
        if self._outer is not None:
            self._outer.refused(error)

    def did_nothing(self) -> bool:
        """By what `effects_begin` was told, and raised: a handler that caught it may
        have gone on.
        """
        if self._begun:
            return False
        return self._unconfirmed is None or self._unconfirmed is sys.exception()

    def nothing_happened(self) -> None:
        """No side effect happened: a retry may run, also with `on_failure="refuse"`."""
        self.state(Statement.NOTHING_HAPPENED)

    def outcome_unknown(self) -> None:
        """There may have been a side effect: no retry runs by itself."""
        self.state(Statement.OUTCOME_UNKNOWN)

    def state(self, statement: Statement) -> None:
        self.statement = statement
        if self._outer is not None:
            self._outer.state(statement)

    def announce(self, scope: Scope) -> None:
        self._outer = attempt_of(scope)
        scope[_PLACE] = self

    def retract(self, scope: Scope) -> None:
        """The scope may be dispatched again: it must not look like part of this
        attempt.
        """
        scope[_PLACE] = self._outer
        self._unconfirmed = None  # its traceback leads here: a circle


def attempt_of(scope: Scope) -> Attempt | None:
    """The attempt that a handler is part of; None if it runs unprotected."""
    attempt: Attempt | None = scope.get(_PLACE)
    return attempt


@dataclass(frozen=True, slots=True)
class Abandoned:
    """An attempt that was started and left no outcome."""

    key: Key
    fingerprint: Fingerprint

    @property
    def intent(self) -> str:
        """As in `Attempt`: the name of the payment in your books."""
        return as_sent(self.key)


Ruling = Literal["execute", "refuse"] | StoredResponse
"""`"execute"`: run the handler, because nothing had happened. `"refuse"`: the outcome
stays unknown. A response: the one that the attempt would have had, which is recorded,
and replayed from now on.
"""

Reconciler = Callable[[Abandoned], Awaitable[Ruling]]
"""Knows what became of an abandoned attempt. One request at a time calls it, and holds
the claim meanwhile. If it raises, or returns anything but a ruling, the key stays
abandoned and the request is refused."""
