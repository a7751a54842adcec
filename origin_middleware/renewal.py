"""Keeps a lease alive while its handler runs.

Off the request's path: a timer, and a task only when it fires.
"""

import asyncio

from . import observer as seen
from .guard import Guard
from .key import Key
from .record import Claim


class Renewal:
    def __init__(self, guard: Guard, key: Key, claim: Claim) -> None:
        self._guard = guard
        self._key = key
        self._claim = claim
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
        self._guard.running.spawn(self._renew())

    async def _renew(self) -> None:
        try:
            ours = await self._guard.store.renew(self._key, self._claim)
        except Exception:  # whatever the store raises: unknown, the next one will tell
            ours = True
        if self._stopped:
            return
        if ours:
            self._arm()
        else:
            self._guard.observe(seen.LeaseLost(self._key))
