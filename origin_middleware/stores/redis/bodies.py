"""Large responses have a key of their own, beside the record: they are written and read
as they are, without passing through a script.
"""

import asyncio
from contextlib import suppress
from typing import Any

from ...errors import RecordDamaged, StoreUnavailable
from ...record import Claim, Completed, Finished, Held
from .. import codec
from ..codec import Stored, milliseconds
from . import scripts
from .endpoint import Purpose
from .line import Line
from .server import Server, evaluated

# Up to here one round trip less is worth more than the copies that Lua makes.
LARGE = 131_072


class Bodies:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def complete(
        self, name: bytes, claim: Claim, body: bytes, until: float
    ) -> Any:
        """The reply of complete.lua, whose record points to the body."""
        place = _place(name, claim.owner)
        reply = await self._server.run(
            name,
            lambda line: _complete(line, name, place, claim, body, until),
            until,
            Purpose.LARGE,
        )
        if isinstance(reply, list):  # another completion was first: nothing points here
            with suppress(StoreUnavailable):
                await self._send(name, "UNLINK", place, until)
        return reply

    async def seen(self, name: bytes, stored: Stored, until: float) -> Held | Finished:
        if not stored.body_elsewhere:
            return stored.seen
        body = await self._send(name, "GET", _place(name, stored.owner), until)
        if body is None:
            raise RecordDamaged("The response of a completed record is gone.")
        return Finished(stored.seen.fingerprint, Completed(body))

    async def _send(self, name: bytes, command: str, place: bytes, until: float) -> Any:
        return await self._server.run(
            name, lambda line: line.send((command, place), until), until, Purpose.LARGE
        )


async def _complete(
    line: Line, name: bytes, place: bytes, claim: Claim, body: bytes, until: float
) -> Any:
    """In one round trip, and the body is there before the record points to it."""
    retention = milliseconds(claim.retention)
    written = asyncio.ensure_future(
        line.send(("SET", place, body, "PX", retention), until)
    )
    if not line.in_order:
        await written
    record = (place, codec.finished_elsewhere(claim), retention)
    _, reply = await asyncio.gather(
        written, evaluated(line, scripts.COMPLETE, name, record, until, keys=2)
    )
    return reply


def _place(name: bytes, owner: bytes) -> bytes:
    """In the slot of its record; an owner's own, so that none overwrites another's."""
    return b"%b:%b" % (name, owner.hex().encode())
