"""Claims across a network: in time or not at all, and withdrawn where nobody knows.

Every attempt of a claim carries a not-after instant on the server's clock. One that was
not answered is in doubt: it may have been applied, or may yet be, until that instant.
"""

from dataclasses import dataclass

from ...errors import StoreUnavailable
from ...record import Answer, Claim, Claimed, Held, OwnerToken
from .. import codec
from ..codec import milliseconds
from . import scripts
from .ghosts import Ghost, Ghosts
from .replies import stored
from .scripts import Script
from .server import LateClaim, Server


@dataclass(frozen=True, slots=True)
class Kind:
    """How to make a claim, and how to undo one that is in doubt."""

    script: Script
    undo: Script


CLAIM = Kind(scripts.CLAIM, undo=scripts.RELEASE)
# A key that was abandoned has to be so afterwards: released, it would be run again.
TAKE_OVER = Kind(scripts.TAKE_OVER, undo=scripts.ABANDON)


class Claims:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._ghosts = Ghosts(server)
        self._in_doubt: dict[OwnerToken, Ghost] = {}

    async def make(self, kind: Kind, name: bytes, claim: Claim) -> Answer:
        until = self._server.deadline()
        while True:
            not_after = await self._server.not_after(until)
            try:
                return await self.attempt(kind, name, claim, not_after, until)
            except LateClaim:
                # Our idea of the server's clock was wrong: it has been set, or is
                # another server's.
                self._server.forget_clock()

    async def attempt(
        self, kind: Kind, name: bytes, claim: Claim, not_after: int, until: float
    ) -> Answer:
        """Raises LateClaim, and StoreUnavailable with a ghost where one may be left."""
        ghost = Ghost(kind.undo, name, codec.header(b"P", claim.owner), not_after)
        arguments = (codec.in_progress(claim), milliseconds(claim.retention), not_after)

        def doubt() -> None:
            self._in_doubt[claim.owner] = ghost

        try:
            reply = await self._server.run(
                kind.script, name, *arguments, until=until, doubt=doubt
            )
        except StoreUnavailable:
            self.released(claim)
            raise
        if reply is None:
            return Claimed()
        found = stored(reply)
        if found.owner == claim.owner and isinstance(found.seen, Held):
            return Claimed()
        self.finished(claim)  # whatever still comes finds the same
        return found.seen

    def released(self, claim: Claim) -> None:
        """An attempt in doubt would find the key absent now, and take it."""
        if ghost := self._in_doubt.pop(claim.owner, None):
            self._ghosts.add(ghost)

    def finished(self, claim: Claim) -> None:
        self._in_doubt.pop(claim.owner, None)

    async def aclose(self) -> None:
        await self._ghosts.aclose()
