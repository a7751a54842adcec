"""show and digest: what one record says, and what to do about it."""

import argparse
import asyncio
import sys
from base64 import b64encode
from typing import Any

from ..errors import RecordDamaged
from ..key import Key
from ..record import NO_TRACE, PROCESS, Facts
from ..response import StoredResponse
from ..stores.redis.records import Records
from .opened import add_key, digest_of, namespace_of
from .talking import Talk, at, printable, span

RUNS = "runs the handler, unless max_attempts of its policy (default: 20) are used up"

_SEEN_BY_A_RETRY = {
    "in progress": "waits for the attempt, then 409 in-progress",
    "abandoned": "409 outcome-unknown",
    "released": RUNS,
    "completed": "the recorded response",
    "not replayable": "409 not-replayable",
}

_SEEN_BY_A_SETTLEMENT = {
    "in progress": "waits for the facilitator's answer",
    "abandoned": "asks the facilitator again",
    "completed": "the recorded settlement",
}


def add(commands: Any, server: argparse.ArgumentParser) -> None:
    show = commands.add_parser(
        "show", parents=[server], help="what a record says, and what to do next"
    )
    add_key(show)
    show.add_argument("--body", action="store_true", help="print the recorded body")
    show.add_argument(
        "--follow", action="store_true", help="until nobody works on it any more"
    )
    show.set_defaults(run=show_record)
    name = commands.add_parser(
        "digest", parents=[server], help="what logs call a key; asks no server"
    )
    add_key(name)
    name.set_defaults(run=digest, asks_server=False)


def digest(options: argparse.Namespace, talk: Talk) -> int:
    found = digest_of(options)
    record = f"{namespace_of(options)}:{{{found}}}"
    talk.say(f"sha256:{found}", f"record {record}")
    talk.tell(digest=found, record=record)
    return 0


async def show_record(options: argparse.Namespace, talk: Talk, records: Records) -> int:
    name = digest_of(options)
    terminal = sys.stdout.isatty()
    say = talk.say if terminal or not options.body else talk.aside
    facts = await look(records, name)
    while facts is not None and options.follow and facts.state == "in progress":
        talk.progress(f"in progress, lease {span(facts.lease_left or 0)} left")
        await asyncio.sleep(1)
        facts = await look(records, name)
    if facts is None:
        say(f"sha256:{name}", "absent: a request with this key runs the handler")
        talk.tell(digest=name, state="absent")
        return 1
    say(*described(name, facts), *_next(name, facts))
    told = as_json(name, facts)
    if options.body:
        response = await _recorded(records, name)
        if response is None:
            say("there is no recorded body")
        elif terminal:
            talk.say(*_readable(response))
        else:
            talk.give(response.body)
        told["body_base64"] = response and b64encode(response.body).decode()
    talk.tell(**told)
    return 0


async def look(records: Records, name: Key) -> Facts | None:
    """Raises RecordDamaged with what to do about it."""
    try:
        return await records.look(name)
    except RecordDamaged as damaged:
        raise RecordDamaged(
            f"sha256:{name}: {damaged} Requests with this key get 409 record-damaged. "
            "Find out who wrote it; `forget` removes it, and the handler can run again."
        ) from damaged


def described(name: Key, facts: Facts) -> list[str]:
    """For a person, most important first."""
    lines = [f"sha256:{name}", _headline(facts)]
    seen = _SEEN_BY_A_SETTLEMENT if facts.is_settlement else _SEEN_BY_A_RETRY
    lines.append(f"a retry gets    {seen.get(facts.state, facts.state)}")
    if facts.state == "abandoned" and not facts.effects:
        lines[-1] = f"a retry gets    {RUNS}"
    lines.append(f"first claimed   {at(facts.begun)}")
    lines.append(f"attempts        {facts.attempt or 'unknown: the claim was lost'}")
    if facts.ended is not None:
        lines.append(f"ended           {at(facts.ended)}, status {facts.status}")
    if facts.size:
        lines.append(f"response        {facts.size:,} bytes with its headers")
    if facts.owner is not None:
        lines.append(f"by process      {facts.owner[PROCESS].hex()}")
    if trace := _trace_id(facts):
        lines.append(f"trace           {trace}")
    lines.append(f"expires in      {span(facts.expires_in)}")
    return lines


def _headline(facts: Facts) -> str:
    if facts.is_settlement:
        return f"the settlement of a payment, {_state(facts)}"
    return _state(facts)


def _state(facts: Facts) -> str:
    left = facts.lease_left or 0.0
    match facts.state:
        case "in progress":
            return f"in progress: its lease lasts {span(left)} unless it is renewed"
        case "abandoned" if facts.is_settlement:
            return f"abandoned {span(-left)} ago: its outcome is unknown"
        case "abandoned":
            began = (
                "its effects may have begun" if facts.effects else "nothing was done"
            )
            return f"abandoned {span(-left)} ago: {began}"
        case "released":
            return "given back: an attempt failed, and nothing was charged"
        case "not replayable":
            return "completed, and its response was not kept"
        case state:
            return state


def _next(name: Key, facts: Facts) -> list[str]:
    if facts.state == "in progress":
        return ["next: wait; `show --follow` tells when it ends"]
    if facts.state != "abandoned" or not facts.effects:
        return []
    if facts.is_settlement:
        return ["next: nothing: the next retry asks the facilitator again"]
    resolve = f"origin-middleware resolve sha256:{name} --reason …"
    return [
        "next: check your books, and look for a line `settle` in the gate's log.",
        f"  it did not happen:  {resolve} --did-not-happen",
        f"  it happened:        {resolve} --happened --status 201 --body @FILE",
    ]


def as_json(name: Key, facts: Facts) -> dict[str, Any]:
    return {
        "digest": name,
        "state": facts.state,
        "settlement": facts.is_settlement,
        "attempt": facts.attempt,
        "first_claimed": facts.begun,
        "expires_in": facts.expires_in,
        "lease_left": facts.lease_left,
        "effects_may_have_begun": facts.effects,
        "ended": facts.ended,
        "status": facts.status,
        "size": facts.size,
        "process": facts.owner[PROCESS].hex() if facts.owner else None,
        "trace_id": _trace_id(facts),
    }


def _trace_id(facts: Facts) -> str | None:
    if facts.trace is None or facts.trace == NO_TRACE or facts.is_settlement:
        return None
    return facts.trace[:16].hex()


async def _recorded(records: Records, name: Key) -> StoredResponse | None:
    recorded = await records.response(name)
    return None if recorded is None else StoredResponse.from_bytes(recorded)


def _readable(response: StoredResponse) -> list[str]:
    headers = [b"%b: %b" % header for header in response.headers]
    lines = [header.decode("latin-1") for header in headers]
    body = response.body.decode(errors="backslashreplace")
    return [printable(line) for line in (*lines, "", body)]
