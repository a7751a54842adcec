"""What a store promises. `origin_middleware.lifecycle` says the same as code."""

from typing import Protocol, runtime_checkable

from ..key import Key
from ..record import (
    Absent,
    Answer,
    Claim,
    Facts,
    Finished,
    Held,
    Outcome,
    Preceded,
    Recorded,
)

__all__ = ["Budgeted", "Checks", "Store"]


@runtime_checkable
class Store(Protocol):
    """Holds one record per key, for at least its retention.

    - Every method is one atomic step. Two claims for one absent key have one winner.
    - Leases are judged by the store's clock.
    - A call may be repeated with the same claim, and then answers the same.
    - A claim that was answered with what the key holds, or raised, is over: the next
      one comes with another owner token.
    - A write that does not own the record changes nothing and is told so.
    - Every method raises StoreUnavailable where the store does not answer within a
      bounded time, and RecordDamaged where it holds something unreadable. A completion
      raises WriteRefused where it would never be taken, but a smaller one may be.
    - A claim that raises or is cancelled is withdrawn, as long as the process and the
      store are there to do it: a key that was absent is so again, one that was
      abandoned stays so.
    """

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        """Claimed where the key was absent or is this claim's already, Exhausted where
        it was released `max_attempts` times, else what the key holds.
        """

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        """Claimed where the key was abandoned by an attempt of the same fingerprint, or
        is this claim's already; Exhausted as above; Absent where nobody holds it, and
        it has to be claimed; else what the key holds.

        Its effects count as begun, whatever `declares` says. With `inquires` it is no
        attempt of its own.
        """

    async def wait(
        self, key: Key, held: Held, timeout: float, /
    ) -> Absent | Held | Finished:
        """Return when the key is no longer held by a live lease, or after `timeout`
        seconds.

        Never raises StoreUnavailable: a store that is away is waited for, and `held`
        returned at the end.
        """

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        """Extend the lease and the retention; False where the record in progress is not
        this claim's, or was abandoned by it.
        """

    async def begin_effects(self, key: Key, claim: Claim, /) -> bool:
        """Write down that effects may have happened, and renew. Where it is abandoned
        before this call, a claim with `declares` counts as released. False as `renew`.
        """

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        """Put the outcome on record, unless another completion is there already.
        `status` is that of the response, for those who look."""

    async def release(self, key: Key, claim: Claim, /) -> bool:
        """Give the key back: it is absent, but its attempts are counted. False where it
        is not this claim's in progress.
        """

    async def abandon(self, key: Key, claim: Claim, /) -> bool:
        """End the lease now; False where it is not this claim's in progress."""

    async def look(self, key: Key, /) -> Facts | None:
        """What the record says; None where there is none. It changes nothing."""

    async def aclose(self) -> None:
        """End connections and tasks that the store opened itself."""


@runtime_checkable
class Budgeted(Protocol):
    """A store that another process or machine keeps: a call that was given up may still
    be carried out there, for as long as `budget` says, in seconds. It has to be at most
    half of the lease, or such a claim looks abandoned before it is withdrawn.
    """

    budget: float


@runtime_checkable
class Checks(Protocol):
    """A store that can be asked before the first request."""

    async def check(self) -> None:
        """Raises StoreUnavailable where nobody answers, and StoreUnsafe where what is
        acknowledged may be lost.
        """
