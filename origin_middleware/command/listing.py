"""list: which records need somebody. It scans, so it takes a while."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ..errors import RecordDamaged
from ..key import Key
from ..record import Facts
from ..stores.redis.records import Records
from .numbers import number, seconds
from .showing import as_json
from .talking import Talk, at, span

_AT_ONCE = 64


def add(commands: Any, server: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "list",
        parents=[server],
        help="abandoned records (or running ones, or damaged ones)",
        description="Scans all records of the namespace, throttled, on every primary "
        "of a cluster. It needs the permission for SCAN.",
    )
    which = parser.add_mutually_exclusive_group()
    for state, means in _STATES.items():
        which.add_argument(
            f"--{state}", dest="which", action="store_const", const=state, help=means
        )
    parser.add_argument(
        "--older",
        type=seconds,
        default=0.0,
        metavar="SPAN",
        help="only records first claimed at least this long ago: 90s, 10m, 2h, 1d",
    )
    parser.add_argument(
        "--rate",
        type=number(1, 1e9),
        default=20_000.0,
        metavar="N",
        help="how many keys of the server are looked at in a second, at most "
        "(default: 20000)",
    )
    parser.add_argument(
        "--fail", action="store_true", help="exit with 1 where there are any"
    )
    parser.set_defaults(run=list_records, which="abandoned")


_STATES = {
    "abandoned": "records whose outcome is unknown (default)",
    "running": "records that are in progress",
    "damaged": "records that cannot be read",
}


async def list_records(
    options: argparse.Namespace, talk: Talk, records: Records
) -> int:
    looked = found = settlements = 0
    now = await records.clock()
    async for name, seen in _looked_at(records, options.rate):
        looked += 1
        if looked % 1_000 == 0:
            talk.progress(f"{looked:,} records looked at, {found} found")
        if not _is_meant(seen, options.which):
            continue
        if isinstance(seen, Facts) and now - seen.begun < options.older:
            continue
        if options.which == "abandoned" and _is_settlement(seen):
            settlements += 1
            continue
        found += 1
        talk.say(_line(name, seen))
        talk.tell(
            **as_json(name, seen)
            if isinstance(seen, Facts)
            else {"digest": name, "state": "damaged", "why": str(seen)}
        )
        if talk.unheard:
            break
    talk.progress("")
    talk.say(f"{found} {options.which} of {looked:,} records")
    if settlements:
        plural = "" if settlements == 1 else "s"
        talk.say(
            f"not counted: {settlements} settlement{plural} of payments; the next "
            "retry asks the facilitator again"
        )
    if found and options.which == "abandoned":
        talk.say("next: origin-middleware show sha256:…, for each of them")
    return int(bool(found) and options.fail)


async def _looked_at(
    records: Records, rate: float
) -> AsyncIterator[tuple[Key, Facts | RecordDamaged]]:
    """Those that are gone meanwhile are left out."""
    together: list[Key] = []
    async for name in records.scan(rate):
        together.append(name)
        if len(together) == _AT_ONCE:
            for each in await _look(records, together):
                yield each
            together = []
    for each in await _look(records, together):
        yield each


async def _look(
    records: Records, names: list[Key]
) -> list[tuple[Key, Facts | RecordDamaged]]:
    seen = await asyncio.gather(
        *(records.look(name) for name in names), return_exceptions=True
    )
    found: list[tuple[Key, Facts | RecordDamaged]] = []
    for name, each in zip(names, seen, strict=True):
        if isinstance(each, Facts | RecordDamaged):
            found.append((name, each))
        elif each is not None:
            raise each
    return found


def _is_meant(seen: Facts | RecordDamaged, which: str) -> bool:
    if isinstance(seen, RecordDamaged):
        return which == "damaged"
    if which == "running":
        return seen.state == "in progress"
    # What had not begun its effects is run again by itself.
    return which == seen.state and seen.effects is not False


def _is_settlement(seen: Facts | RecordDamaged) -> bool:
    return isinstance(seen, Facts) and seen.is_settlement


def _line(name: Key, seen: Facts | RecordDamaged) -> str:
    if isinstance(seen, RecordDamaged):
        return f"sha256:{name}  damaged: {seen}"
    since = f"{span(-(seen.lease_left or 0.0))} ago"
    left = f"lease {span(seen.lease_left or 0.0)}"
    when = since if seen.state == "abandoned" else left
    what = "settlement of a payment, " if seen.is_settlement else ""
    return (
        f"sha256:{name}  {what}{seen.state} {when}  first claimed {at(seen.begun)}  "
        f"attempt {seen.attempt}"
    )
