"""What a handler can see of its own execution, and say about its outcome."""

from enum import Enum

from .asgi import Scope
from .key import Key, as_sent

_PLACE = "origin_middleware.attempt"


class Statement(Enum):
    NOTHING_HAPPENED = "nothing happened"
    OUTCOME_UNKNOWN = "outcome unknown"


class Attempt:
    """One execution of a handler: `attempt_of(request.scope)`.

    A statement decides where the handler raises, or answers with something that is not
    delivered. A response that is delivered is settled by the gate, so it is recorded
    whatever was stated.
    """

    __slots__ = ("first", "key", "statement")

    def __init__(self, key: Key, *, first: bool) -> None:
        self.key = key
        self.first = first
        """False where this attempt took over from one that was abandoned. An attempt
        that failed and gave the key back leaves no trace."""
        self.statement: Statement | None = None

    @property
    def intent(self) -> str:
        """The settlement intent, for your books and for the services that you call; or
        whatever else `header` or `key_of` make the key. `key` has the tenant in front,
        if there is a `tenant_of`."""
        return as_sent(self.key)

    def nothing_happened(self) -> None:
        """No side effect: a retry may run, also with `on_failure="refuse"`."""
        self.statement = Statement.NOTHING_HAPPENED

    def outcome_unknown(self) -> None:
        """There may have been a side effect: no retry runs by itself."""
        self.statement = Statement.OUTCOME_UNKNOWN

    def announce(self, scope: Scope) -> None:
        scope[_PLACE] = self


def attempt_of(scope: Scope) -> Attempt | None:
    """The attempt that a handler is part of; None where it runs unprotected."""
    attempt: Attempt | None = scope.get(_PLACE)
    return attempt
