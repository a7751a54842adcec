"""Large responses have a key of their own, beside the record: they are written and read
as they are, without passing through a script.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ...errors import RecordDamaged, StoreUnavailable
from ...record import Claim, Completed, Exhausted, Facts, Finished, Held
from .. import codec
from ..codec import Stored, milliseconds
from . import scripts
from .calls import Calls, Visit
from .line import CutOff, ErrorReply
from .scripts import unexpected
from .topology import Purpose

# Up to here one round trip less is worth more than the copies that Lua makes.
LARGE = 131_072


class Bodies:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def complete(
        self, name: bytes, claim: Claim, record: bytes, body: bytes, until: float
    ) -> Any:
        """The reply of complete.lua, where `record` points to the body."""
        place = place_of(name, claim.owner)
        reply = await self._calls.run(
            name,
            lambda visit: _complete(visit, name, place, claim, record, body),
            until,
            Purpose.LARGE,
        )
        if isinstance(reply, list):  # another completion was first: nothing points here
            with suppress(StoreUnavailable):
                await self._send(name, "UNLINK", place, until)
        return reply

    async def seen(
        self, name: bytes, stored: Stored, until: float
    ) -> Held | Finished | Exhausted:
        seen = stored.seen
        if not stored.body_elsewhere or not isinstance(seen, Finished):
            return seen
        place = place_of(name, stored.owner)
        body = await self._send(name, "GET", place, until)
        if body is None:
            record = codec.header(b"B", stored.owner)
            if await self._is_gone(name, place, record, until):
                raise RecordDamaged("The response of a completed record is gone.")
            raise StoreUnavailable(
                "A record and its response were seen at different times, as around a "
                "failover: ask again."
            )
        return Finished(seen.fingerprint, Completed(body), seen.trace)

    async def facts(self, name: bytes, reply: Any, until: float) -> Facts | None:
        """From the reply of look.lua."""
        match reply:
            case [bytes(record), int(left), int(length)]:
                pass
            case _:
                raise unexpected(reply)
        if not length:
            return None
        size = codec.response_size(length)
        found = codec.facts(record, left, size)
        if record[1:2] == b"B" and found.owner is not None:
            place = place_of(name, found.owner)
            return replace(found, size=await self._send(name, "STRLEN", place, until))
        return found

    async def _is_gone(
        self, name: bytes, place: bytes, record: bytes, until: float
    ) -> bool:
        """Does the record point to nothing? Both are looked at in one step."""
        return bool(
            await self._calls.run(
                name,
                lambda visit: visit.evaluate(
                    scripts.BODY_GONE, name, place, record, keys=2
                ),
                until,
                Purpose.LARGE,
            )
        )

    async def _send(self, name: bytes, command: str, place: bytes, until: float) -> Any:
        return await self._calls.run(
            name, lambda visit: visit.send(command, place), until, Purpose.LARGE
        )


async def _complete(
    visit: Visit, name: bytes, place: bytes, claim: Claim, record: bytes, body: bytes
) -> Any:
    """In one round trip, and the body is there before the record points to it."""
    retention = milliseconds(claim.retention)
    written = asyncio.ensure_future(visit.send("SET", place, body, "PX", retention))
    if not visit.line.in_order:
        await written
    points = (place, record, retention, b"")
    try:
        _, reply = await asyncio.gather(
            written, visit.evaluate(scripts.COMPLETE, name, *points, keys=2)
        )
    except CutOff as lost:
        if written.exception() is None:  # so it was not for the size of the body
            raise ConnectionError(*lost.args) from lost
        raise
    except ErrorReply as error:
        if error.code != "NOSCRIPT":
            raise
        visit.spells_out = True  # the body is there, and is not sent again
        reply = await visit.evaluate(scripts.COMPLETE, name, *points, keys=2)
    return reply


def place_of(name: bytes, owner: bytes) -> bytes:
    """In the slot of its record; an owner's own, so that none overwrites another's."""
    return b"%b:%b" % (name, owner.hex().encode())
