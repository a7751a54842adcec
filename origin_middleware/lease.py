"""The claims of one request, and the renewal of the one that holds the lease."""

import asyncio
import os

from .events import LeaseLost
from .key import Key
from .policy import Policy
from .record import Claim, Fingerprint, OwnerToken
from .runtime import Runtime, is_interrupted


def first_claim(policy: Policy, fingerprint: Fingerprint, trace: bytes) -> Claim:
    return Claim(
        _token(),
        fingerprint,
        policy.lease,
        policy.retention,
        policy.max_attempts,
        inquires=callable(policy.on_abandoned),
        declares=policy.effects == "declared",
        trace=trace,
    )


def next_claim(claim: Claim) -> Claim:
    """The same claim with a new owner token. Copies of the earlier claim may still be
    under way, and the store withdraws those by their token.
    """
    return claim._replace(owner=_token())


def _token() -> OwnerToken:
    # A counter would go on from the same number in two copies of one process, such as
    # two environments that were restored from one snapshot.
    return OwnerToken(_process + os.urandom(8))


def _be_another_process() -> None:
    global _process  # noqa: PLW0603 - it is the process's
    _process = os.urandom(8)


# Half of an owner token says which process it is of.
_process = os.urandom(8)
os.register_at_fork(after_in_child=_be_another_process)


class Renewal:
    """Keeps a lease alive, off the request's path. There is a task only when a renewal
    is due.

    It reports a lost lease only if a handler runs under it: otherwise a record may be
    gone because its claim has ended.
    """

    __slots__ = (
        "_claim",
        "_handler_runs",
        "_key",
        "_policy",
        "_runtime",
        "_stopped",
        "_ticker",
    )

    def __init__(
        self,
        runtime: Runtime,
        policy: Policy,
        key: Key,
        claim: Claim,
        *,
        handler_runs: bool,
    ) -> None:
        self._runtime = runtime
        self._policy = policy
        self._ticker = runtime.ticker()
        self._key = key
        self._claim = claim
        self._handler_runs = handler_runs
        self._stopped = True

    def start(self) -> None:
        self._stopped = False
        self._await_next()

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._ticker.stop(self._fire)

    def _await_next(self) -> None:
        # Three tries per lease, however late: one lost renewal must not cost it.
        self._ticker.start(self._fire, self._claim.lease / 4)

    def _fire(self) -> None:
        self._runtime.spawn(self._renew())

    async def _renew(self) -> None:
        try:
            ours = await self._runtime.store.renew(self._key, self._claim)
        except (Exception, asyncio.CancelledError) as exc:
            if is_interrupted(exc):
                raise
            ours = True  # a store may raise anything; the next renewal will tell
        if self._stopped:
            return
        if ours:
            self._await_next()
        elif self._handler_runs:
            self._runtime.observe(LeaseLost, self._key, policy=self._policy.name)
