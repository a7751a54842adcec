"""The claims of one request, and the renewal of the one that holds the lease."""

import asyncio
import secrets
from dataclasses import replace

from .events import LeaseLost
from .key import Key
from .policy import Policy
from .record import Claim, Fingerprint, OwnerToken
from .runtime import Runtime


def first_claim(policy: Policy, fingerprint: Fingerprint) -> Claim:
    return Claim(
        _token(),
        fingerprint,
        policy.lease,
        policy.retention,
        policy.max_attempts,
        inquires=callable(policy.on_abandoned),
    )


def next_claim(claim: Claim) -> Claim:
    """With an owner token of its own: a claim that was answered with the record of
    another request may have attempts under way, and the store withdraws these by their
    token.
    """
    return replace(claim, owner=_token())


def _token() -> OwnerToken:
    return OwnerToken(secrets.token_bytes(16))


class Renewal:
    """Keeps a lease alive. Off the request's path: a timer, and a task only when the
    timer fires.

    It raises an alarm about a lost lease only where a handler runs under it: a record
    may be gone because its claim has ended.
    """

    def __init__(
        self, runtime: Runtime, key: Key, claim: Claim, *, handler_runs: bool
    ) -> None:
        self._runtime = runtime
        self._key = key
        self._claim = claim
        self._handler_runs = handler_runs
        self._stopped = True

    def start(self) -> None:
        self._stopped = False
        self._arm()

    def stop(self) -> None:
        self._stopped = True
        self._timer.cancel()

    def _arm(self) -> None:
        # Three tries per lease: one lost renewal must not cost it.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._claim.lease / 3, self._fire)

    def _fire(self) -> None:
        self._runtime.spawn(self._renew())

    async def _renew(self) -> None:
        try:
            ours = await self._runtime.store.renew(self._key, self._claim)
        except Exception:  # a store may raise anything; the next renewal will tell
            ours = True
        if self._stopped:
            return
        if ours:
            self._arm()
        elif self._handler_runs:
            self._runtime.observe(LeaseLost(self._key))
