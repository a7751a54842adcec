"""Claims across a network: in time or not at all, and withdrawn where nobody knows.

Every attempt of a claim carries a not-after instant on the server's clock. One that was
not answered is in doubt: it may have been applied, or may yet be, until that instant.
"""

from dataclasses import dataclass
from typing import Any

from ...errors import StoreUnavailable
from ...record import Claim, Finished, OwnerToken
from .. import codec
from ..codec import milliseconds
from . import scripts
from .clock import clock_offset, now
from .endpoint import Purpose
from .error_reply import ErrorReply
from .ghosts import Ghost, Ghosts
from .line import Line
from .replicas import Replicas
from .replies import stored
from .scripts import Script
from .server import Server, evaluated


@dataclass(frozen=True, slots=True)
class Kind:
    """How to make a claim, and how to undo one that is in doubt."""

    script: Script
    undo: Script


CLAIM = Kind(scripts.CLAIM, undo=scripts.RELEASE)
# A key that was abandoned has to be so afterwards: released, it would be run again.
TAKE_OVER = Kind(scripts.TAKE_OVER, undo=scripts.ABANDON)


class Claims:
    def __init__(self, server: Server, replicas: Replicas) -> None:
        self._server = server
        self._replicas = replicas
        self._ghosts = Ghosts(server)
        self._in_doubt: dict[OwnerToken, Ghost] = {}

    async def make(
        self, kind: Kind, name: bytes, claim: Claim, until: float
    ) -> codec.Stored | None:
        """None where the key is the claim's, else what it holds. Raises
        StoreUnavailable, and whatever else ends it: then it is withdrawn."""
        try:
            reply = await self._server.run(
                name, lambda line: self.attempt(line, kind, name, claim, until), until
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

    async def attempt(
        self, line: Line, kind: Kind, name: bytes, claim: Claim, until: float
    ) -> Any:
        """The script's reply."""
        trusted = now() >= line.quarantine
        not_after = line.offset + round(until * 1000) if trusted else 0
        record, retention = codec.in_progress(claim), milliseconds(claim.retention)
        try:
            return await evaluated(
                line, kind.script, name, (record, retention, not_after), until
            )
        except ErrorReply as error:
            if error.code != "LATE":
                raise
            if not trusted:
                raise StoreUnavailable(
                    "Redis may have lost records: new claims wait until retries of "
                    "older ones are over."
                ) from error
            # Our idea of the server's clock was wrong: somebody has set it.
            line.offset = await clock_offset(line, until)
            raise
        except BaseException:
            self._doubt(kind, name, claim, not_after)
            raise

    def released(self, claim: Claim) -> None:
        """An attempt in doubt would find the key absent now, and take it."""
        if ghost := self._in_doubt.pop(claim.owner, None):
            self._ghosts.add(ghost)

    def finished(self, claim: Claim) -> None:
        self._in_doubt.pop(claim.owner, None)

    async def aclose(self) -> None:
        await self._ghosts.aclose()

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
        reached = await self._server.run(
            name,
            lambda line: self._replicas.have(line, write, until),
            until,
            Purpose.REPLICAS,
        )
        if not reached:
            raise StoreUnavailable(
                f"The claim did not reach {self._replicas.wanted} replicas in time."
            )
        if before is None:
            self.finished(claim)

    def _doubt(self, kind: Kind, name: bytes, claim: Claim, not_after: int) -> None:
        """Clocks of servers differ, so the latest instant of all attempts counts."""
        known = self._in_doubt.get(claim.owner)
        latest = max(not_after, known.not_after if known else 0)
        header = codec.header(b"P", claim.owner)
        self._in_doubt[claim.owner] = Ghost(kind.undo, name, header, latest)
