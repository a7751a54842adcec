"""A function of the seller's that knows what became of an abandoned attempt."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from .key import Key, as_sent
from .record import Fingerprint
from .response import StoredResponse


@dataclass(frozen=True, slots=True)
class Abandoned:
    """An attempt that was started and left no outcome."""

    key: Key
    fingerprint: Fingerprint

    @property
    def intent(self) -> str:
        """As in `Attempt`: what the books know it by."""
        return as_sent(self.key)


Ruling = Literal["execute", "refuse"] | StoredResponse
"""Run the handler, for nothing had happened; refuse, for nobody knows; or the response
that the attempt would have had, which is recorded and replayed from then on."""

Reconciler = Callable[[Abandoned], Awaitable[Ruling]]
"""Called while the key is claimed for it, by one request at a time. If it raises, or
answers anything else, the key stays abandoned and the request is refused."""
