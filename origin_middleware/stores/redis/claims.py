"""Claims across a network: in time or not at all, and withdrawn where nobody knows.

Every try of a claim carries a not-after instant on the server's clock. One that was not
answered is in doubt: it may have been applied, or may yet be, until that instant. What
is given up in doubt becomes a ghost, which is withdrawn in the background.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...errors import StoreError, StoreUnavailable
from ...record import Claim, Finished, OwnerToken
from .. import codec
from ..codec import milliseconds
from . import scripts
from .calls import Calls, Visit
from .line import ErrorReply, now
from .replicas import Replicas
from .scripts import Script, stored
from .topology import Purpose

# A store that is away for longer keeps its ghosts: their leases lapse, and the records
# say "outcome unknown".
_GIVE_UP = 60.0
_PAUSE = 0.25

# What a shutdown gives for it: a not-after instant is one budget away.
_LAST_CHANCE = 2.0


@dataclass(frozen=True, slots=True)
class Kind:
    """How to make a claim, and how to undo one that is in doubt."""

    script: Script
    undo: Script


CLAIM = Kind(scripts.CLAIM, undo=scripts.RELEASE)
# A key that was abandoned has to be so afterwards: released, it would be run again.
TAKE_OVER = Kind(scripts.TAKE_OVER, undo=scripts.ABANDON)


class Claims:
    def __init__(self, calls: Calls, replicas: Replicas) -> None:
        self._calls = calls
        self._replicas = replicas
        self._ghosts = Ghosts(calls)
        self._in_doubt: dict[OwnerToken, Ghost] = {}

    async def make(
        self, kind: Kind, name: bytes, claim: Claim, until: float
    ) -> codec.Stored | None:
        """None where the key is the claim's, else what it holds. Raises
        StoreUnavailable, and whatever else ends it: then it is withdrawn."""
        try:
            reply = await self._calls.run(
                name, lambda visit: self._try(visit, kind, name, claim), until
            )
            if reply is not None:
                found = stored(reply)
                if isinstance(found.seen, Finished):
                    self.finished(claim)  # whatever still comes finds the same
                    return found
                if found.owner != claim.owner:
                    self.released(claim)  # by the time it comes, the key may be free
                    return found
            if self._replicas.wanted:
                await self._confirm(kind, name, claim, until)
        except BaseException:
            self.released(claim)
            raise
        return None

    def released(self, claim: Claim) -> None:
        """A try in doubt would find the key absent now, and take it."""
        if ghost := self._in_doubt.pop(claim.owner, None):
            self._ghosts.add(ghost)

    def finished(self, claim: Claim) -> None:
        self._in_doubt.pop(claim.owner, None)

    async def aclose(self) -> None:
        await self._ghosts.aclose()

    async def _try(self, visit: Visit, kind: Kind, name: bytes, claim: Claim) -> Any:
        """The script's reply."""
        trusted = now() >= visit.endpoint.quarantine
        not_after = visit.endpoint.offset + round(visit.until * 1000) if trusted else 0
        record, retention = codec.in_progress(claim), milliseconds(claim.retention)
        limits = (not_after, claim.max_attempts, int(claim.inquires))
        try:
            return await visit.evaluate(kind.script, name, record, retention, *limits)
        except ErrorReply as error:
            if error.code != "LATE":
                raise
            if not trusted:
                raise StoreUnavailable(
                    "Redis may have lost records: new claims wait until retries of "
                    "older ones are over."
                ) from error
            # Our idea of the server's clock was wrong: somebody has set it.
            await visit.read_clock()
            raise
        except BaseException:
            self._doubt(kind, name, claim, not_after)
            raise

    async def _confirm(
        self, kind: Kind, name: bytes, claim: Claim, until: float
    ) -> None:
        owned = codec.header(b"P", claim.owner)
        write = (
            "EVAL",
            scripts.RENEW.source,
            1,
            name,
            owned,
            milliseconds(claim.retention),
            codec.lease(claim),
        )
        before = self._in_doubt.get(claim.owner)
        self._doubt(kind, name, claim, 0)
        have_it = await self._calls.run(
            name,
            lambda visit: self._replicas.have(visit, write),
            until,
            Purpose.REPLICAS,
        )
        if not have_it:
            raise StoreUnavailable(
                f"The claim did not reach {self._replicas.wanted} replicas in time."
            )
        if before is None:
            self.finished(claim)

    def _doubt(self, kind: Kind, name: bytes, claim: Claim, not_after: int) -> None:
        """Clocks of servers differ, so the latest instant of all tries counts."""
        known = self._in_doubt.get(claim.owner)
        latest = max(not_after, known.not_after if known else 0)
        header = codec.header(b"P", claim.owner)
        counted = 0 if kind is TAKE_OVER and claim.inquires else 1
        self._in_doubt[claim.owner] = Ghost(kind.undo, name, header, latest, counted)


class Ghost(NamedTuple):
    """A claim whose fate is unknown: sent, not answered, given up.

    It can still be applied, as long as its not-after instant has not passed on the
    server's clock. Only after it is an undoing conclusive; an earlier one might be
    overtaken by the claim.
    """

    undo: Script
    name: bytes
    header: bytes
    not_after: int
    counted: int = 1
    """How many attempts it would count for; undone, for none."""


class Ghosts:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._ghosts: deque[tuple[Ghost, float]] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, ghost: Ghost) -> None:
        self._ghosts.append((ghost, now() + _GIVE_UP))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._withdraw())

    async def aclose(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST_CHANCE)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _withdraw(self) -> None:
        while self._ghosts:
            turn = list(self._ghosts)
            gone = await asyncio.gather(*(self._gone(g, t) for g, t in turn))
            pairs = zip(turn, gone, strict=True)
            left = [each for each, is_gone in pairs if not is_gone]
            self._ghosts = deque([*left, *list(self._ghosts)[len(turn) :]])
            if left:
                await asyncio.sleep(_PAUSE)

    async def _gone(self, ghost: Ghost, give_up: float) -> bool:
        try:
            return await self._undone(ghost)
        except StoreError:
            return now() >= give_up

    async def _undone(self, ghost: Ghost) -> bool:
        until = self._calls.deadline()
        return await self._calls.run(
            ghost.name, lambda visit: _undo(visit, ghost), until
        )


async def _undo(visit: Visit, ghost: Ghost) -> bool:
    # Read anew: an estimate would not be proof that the instant has passed.
    await visit.read_clock()
    clock = visit.endpoint.offset + int(now() * 1000)
    if clock <= ghost.not_after:
        return False
    await visit.evaluate(ghost.undo, ghost.name, ghost.header, ghost.counted)
    return True
