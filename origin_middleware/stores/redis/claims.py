"""Claims across a network: in time or not at all, and withdrawn where nobody knows.

Every try of a claim carries a not-after instant on the server's clock. One that was not
answered is in doubt: it may have been applied, or may yet be, until that instant. So is
one whose answer is read when its lease may be over. What is given up in doubt becomes a
ghost, which is withdrawn in the background.
"""

from dataclasses import dataclass
from typing import Any

from ...errors import StoreUnavailable
from ...record import Claim, Finished, OwnerToken
from .. import codec
from ..codec import milliseconds
from . import scripts
from .calls import Calls, Visit
from .ghosts import APPLIED, Ghost, Ghosts
from .line import Command, ErrorReply
from .replicas import Replicas
from .scripts import Script, stored
from .topology import Purpose


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
    ) -> codec.Stored | int | None:
        """Which attempt it is where the key is the claim's, else what the key holds:
        None where a take-over found that nobody holds it. Raises StoreUnavailable, and
        whatever else ends it: then it is withdrawn."""
        now, begun = self._calls.now, until - self._calls.budget
        usable_until = min(until, begun + claim.lease)
        try:
            reply = await self._calls.run(
                name, lambda visit: self._try(visit, kind, name, claim), until
            )
            if reply is None and kind is TAKE_OVER:
                self.released(claim, until)
                return None
            if isinstance(reply, int):
                attempt = reply
            else:
                found = stored(reply)
                if isinstance(found.seen, Finished):
                    self.finished(claim)  # whatever still comes finds the same
                    return found
                if found.owner != claim.owner:
                    # By the time a try in doubt comes, the key may be free.
                    self.released(claim, until)
                    return found
                attempt = found.attempt
            if self._replicas.wanted:
                await self._confirm(kind, name, claim, until)
            if now() > usable_until:
                await self._renew(kind, name, claim)
        except BaseException:
            if ghost := self._in_doubt.pop(claim.owner, None):
                self._ghosts.add(ghost._replace(until=until))
            raise
        return attempt

    def released(self, claim: Claim, until: float | None = None) -> None:
        """The key is not the claim's, but a try in doubt would find it absent now, and
        take it. None was sent to be applied after `until`, on the loop's clock.
        """
        if ghost := self._in_doubt.pop(claim.owner, None):
            until = self._calls.deadline() if until is None else until
            self._ghosts.add(ghost._replace(until=until), at_once=False)

    def finished(self, claim: Claim) -> None:
        self._in_doubt.pop(claim.owner, None)

    async def aclose(self) -> None:
        await self._ghosts.aclose()

    async def _try(self, visit: Visit, kind: Kind, name: bytes, claim: Claim) -> Any:
        """The script's reply."""
        trusted = self._trusts(visit)
        not_after = visit.endpoint.offset + round(visit.until * 1000) if trusted else 0
        record, retention = codec.in_progress(claim), milliseconds(claim.retention)
        inquires, takes = int(claim.inquires), claim.takes or b""
        limits = (not_after, claim.max_attempts, inquires, takes)
        try:
            reply = await visit.evaluate(kind.script, name, record, retention, *limits)
        except ErrorReply as error:
            if error.code != "LATE":
                raise
            if not trusted:
                raise _quarantined("new claims wait") from error
            # Our idea of the server's clock was wrong: somebody has set it.
            await visit.read_clock()
            raise
        except BaseException:
            self._doubt(kind, name, claim, not_after)
            raise
        if isinstance(reply, int):
            visit.endpoint.latest = name, self._calls.now(), claim.retention
        return reply

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
        self._doubt(kind, name, claim, APPLIED)
        await self._replicate(name, write, until, "The claim")
        if before is None:
            self.finished(claim)

    async def begin_effects(self, name: bytes, claim: Claim) -> bool:
        """As a claim, it counts only once as many replicas have it as wanted: one that
        is promoted without it would have the handler run again. Nor does it count in a
        quarantine: what is lost may be the record of another request that had the key.
        """
        owned, until = codec.header(b"P", claim.owner), self._calls.deadline()
        more = (owned, milliseconds(claim.retention), codec.lease(claim), "1")

        async def begin(visit: Visit) -> Any:
            if not self._trusts(visit):
                raise _quarantined("no effects begin")
            return await visit.evaluate(scripts.RENEW, name, *more)

        begun = await self._calls.run(name, begin, until)
        if begun and self._replicas.wanted:
            write = ("EVAL", scripts.RENEW.source, 1, name, *more)
            await self._replicate(name, write, until, "The beginning of effects")
        return bool(begun)

    def _trusts(self, visit: Visit) -> bool:
        quarantine = visit.endpoint.quarantine
        return not quarantine or self._calls.now() >= quarantine

    async def _replicate(
        self, name: bytes, write: Command, until: float, what: str
    ) -> None:
        """Raises StoreUnavailable."""
        have_it = await self._calls.run(
            name,
            lambda visit: self._replicas.have(visit, write),
            until,
            Purpose.REPLICAS,
        )
        if not have_it:
            raise StoreUnavailable(
                f"{what} did not reach {self._replicas.wanted} replicas in time.",
                reason="replicas",
            )

    async def _renew(self, kind: Kind, name: bytes, claim: Claim) -> None:
        """This process was stalled before it read that the claim was made, and others
        may have seen the lease lapse. Raises StoreUnavailable unless it is ours still.
        """
        before = self._in_doubt.get(claim.owner)
        self._doubt(kind, name, claim, APPLIED)
        until = self._calls.deadline()
        now = self._calls.now
        usable_until = min(until, now() + claim.lease)
        renewed = await self._calls.evaluate(
            scripts.RENEW,
            name,
            codec.header(b"P", claim.owner),
            milliseconds(claim.retention),
            codec.lease(claim),
            until=until,
        )
        if not renewed or self._calls.now() > usable_until:
            raise StoreUnavailable(
                "The reply to a claim was read too late to rely on it: the event loop "
                "was blocked, or the machine was stopped.",
                reason="stalled",
            )
        if before is None:
            self.finished(claim)

    def _doubt(self, kind: Kind, name: bytes, claim: Claim, not_after: int) -> None:
        """Clocks of servers differ, so the latest instant of all tries counts."""
        known = self._in_doubt.get(claim.owner)
        latest = max(not_after, known.not_after if known else 0)
        header = codec.header(b"P", claim.owner)
        counted = 0 if kind is TAKE_OVER and claim.inquires else 1
        self._in_doubt[claim.owner] = Ghost(
            kind.undo, name, header, latest, counted=counted
        )


def _quarantined(what: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"Redis may have lost records: {what} until retries of older ones are over.",
        reason="quarantine",
    )
