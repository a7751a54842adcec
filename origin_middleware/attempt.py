"""An execution as the seller's own code sees it. A handler can say how its execution
ended; a reconciler can say what became of one that was abandoned.
"""

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
        "effects_may_have_begun",
        "first",
        "key",
        "number",
        "statement",
        "unconfirmed",
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
        self.effects_may_have_begun = False
        """`effects_begin` was called."""
        self.unconfirmed: Exception | None = None
        """What `effects_begin` raised, where it was never confirmed."""
        self._begin = begin

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
        if self._begin is None:
            return
        confirmed = self.effects_may_have_begun and self.unconfirmed is None
        self.effects_may_have_begun = True
        try:
            if not await self._begin():
                raise ClaimLost(
                    "The claim of this attempt is gone: it was stalled for longer than "
                    "its lease, or the store has lost it. Another request may run the "
                    "handler."
                )
        except Exception as error:
            if not confirmed:
                self.unconfirmed = error
            raise
        self.unconfirmed = None

    def nothing_happened(self) -> None:
        """No side effect happened: a retry may run, also with `on_failure="refuse"`."""
        self.statement = Statement.NOTHING_HAPPENED

    def outcome_unknown(self) -> None:
        """There may have been a side effect: no retry runs by itself."""
        self.statement = Statement.OUTCOME_UNKNOWN

    def announce(self, scope: Scope) -> "Attempt | None":
        """Returns the attempt of an instance outside this one."""
        outer = attempt_of(scope)
        scope[_PLACE] = self
        return outer

    def retract(self, scope: Scope, outer: "Attempt | None") -> None:
        """The scope may be dispatched again: it must not look like part of this
        attempt.
        """
        scope[_PLACE] = outer


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
