"""resolve and forget: what somebody decides about a record.

There is no way of writing but that of a reconciler: the abandoned key is taken over,
and then released or completed. A live lease cannot be taken over, and of two operators
one wins. If this process dies in between, the key is abandoned again.
"""

import argparse
import getpass
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import RecordDamaged
from ..key import Key
from ..policy import LONGEST_RETENTION, delivered
from ..record import Claim, Claimed, Completed, Facts, OwnerToken, Recorded
from ..response import StoredResponse, checked_response
from ..stores.redis.records import Records
from .numbers import number
from .opened import CannotAsk, add_key, digest_of
from .showing import RUNS, as_json, described, look
from .talking import Talk, span

_LEASE = 30.0
_A_DAY = 86_400.0


def add(commands: Any, server: argparse.ArgumentParser) -> None:
    resolve = commands.add_parser(
        "resolve",
        parents=[server],
        help="say what became of an abandoned attempt",
        description="Says what became of an attempt whose outcome is unknown. Refused "
        "while its lease is live, and where it has an outcome.",
    )
    add_key(resolve)
    how = resolve.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--did-not-happen", action="store_true", help="the next retry runs the handler"
    )
    how.add_argument(
        "--happened", action="store_true", help="the next retry gets this response"
    )
    resolve.add_argument(
        "--status", type=int, help="the status of the response, such as 201"
    )
    resolve.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="a header of the response",
    )
    resolve.add_argument(
        "--body",
        metavar="@FILE",
        help="the body of the response: @FILE, or @- for standard input",
    )
    resolve.add_argument(
        "--retention",
        type=number(_LEASE + 1, LONGEST_RETENTION),
        metavar="SECONDS",
        help="how long it is kept (default: what is left, and at least a day)",
    )
    _add_decision(resolve)
    resolve.set_defaults(run=resolve_record)
    forget = commands.add_parser(
        "forget",
        parents=[server],
        help="remove a finished or damaged record: the handler can run again",
    )
    add_key(forget)
    _add_decision(forget)
    forget.set_defaults(run=forget_record)


def _add_decision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="kept in the log line")
    parser.add_argument(
        "--by", help="your name, for the log line (default: the current user)"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def resolve_record(
    options: argparse.Namespace, talk: Talk, records: Records
) -> int:
    name = digest_of(options)
    response = _response(options)
    before = await look(records, name)
    if before is not None and before.is_settlement:
        talk.error(_settled_by_retries(name))
        return 1
    if before is None or before.state != "abandoned" or before.fingerprint is None:
        talk.error(_why_not(name, before))
        return 1
    talk.say(*described(name, before))
    if not _is_sure(options, talk, name):
        return 1
    claim = Claim(
        OwnerToken(os.urandom(16)),
        before.fingerprint,
        _LEASE,
        options.retention or max(before.expires_in, _A_DAY),
        max_attempts=999_999,
        inquires=True,
        takes=before.owner,
    )
    told = await records.take_over(name, claim)
    if not isinstance(told, Claimed):
        talk.error(f"sha256:{name}: someone else has decided it meanwhile; see `show`.")
        return 1
    if response is None:
        done = await records.release(name, claim)
        outcome = f"released: the next retry {RUNS}"
    else:
        written = await records.complete(
            name, claim, Completed(response.to_bytes()), response.status
        )
        done = isinstance(written, Recorded)
        outcome = "completed: the next retry gets this response"
    if not done:
        talk.error(
            f"sha256:{name}: meanwhile the attempt itself reported its outcome; see "
            "`show`."
        )
        return 1
    _keep(talk, "resolve", name, options, before, outcome)
    talk.say(outcome)
    talk.tell(digest=name, outcome=outcome.partition(":")[0])
    return 0


async def forget_record(
    options: argparse.Namespace, talk: Talk, records: Records
) -> int:
    name = digest_of(options)
    before: Facts | None = None
    try:
        before = await records.look(name)
        if before is None:
            talk.error(f"sha256:{name} is absent: there is nothing to forget.")
            return 1
        if before.is_settlement:
            talk.error(_settled_by_retries(name))
            return 1
        if before.state in ("in progress", "abandoned"):
            talk.error(
                f"sha256:{name} is {before.state}: its handler may be running, or its "
                "effects may have happened. Use `resolve` once it is abandoned."
            )
            return 1
        talk.say(*described(name, before))
    except RecordDamaged as damaged:
        talk.say(f"sha256:{name}", f"damaged: {damaged}")
    talk.say("Without it, a request with this key runs the handler again.")
    if not _is_sure(options, talk, name):
        return 1
    if not await records.forget(name):
        talk.error(f"sha256:{name} has changed meanwhile; see `show`.")
        return 1
    _keep(talk, "forget", name, options, before, "forgotten")
    talk.say("forgotten")
    talk.tell(digest=name, outcome="forgotten")
    return 0


def _settled_by_retries(name: Key) -> str:
    return (
        f"sha256:{name} is the settlement of a payment, and not a request. There is "
        "nothing to do: the next retry asks the facilitator again, or gets what it "
        "said. Without this record, payers who have paid would get 402."
    )


def _why_not(name: Key, seen: Facts | None) -> str:
    if seen is None:
        return f"sha256:{name} is absent: a retry runs the handler by itself."
    if seen.state == "in progress":
        left = span(seen.lease_left or 0.0)
        return (
            f"sha256:{name} is in progress, and its lease lasts {left} more: a process "
            "may be at work. Wait until it is abandoned."
        )
    return f"sha256:{name} is {seen.state}: there is nothing to resolve. See `show`."


def _response(options: argparse.Namespace) -> StoredResponse | None:
    """None where it did not happen. Raises CannotAsk."""
    named = options.status, options.body
    if options.did_not_happen:
        if named != (None, None) or options.header:
            raise CannotAsk("--status, --header and --body belong to --happened.")
        return None
    if None in named:
        raise CannotAsk(
            "--happened needs the response that the payer should get: --status 201 "
            "--body @FILE (and --header NAME:VALUE)."
        )
    headers = []
    for line in options.header:
        name, colon, value = line.partition(":")
        if not colon:
            raise CannotAsk(f"--header {line}: write NAME:VALUE.")
        headers.append((name.strip().lower().encode(), value.strip().encode()))
    given = StoredResponse(options.status, headers, _body(options.body))
    try:
        response = checked_response(given)
    except ValueError as wrong:
        raise CannotAsk(str(wrong)) from wrong
    if not delivered("POST", response.status):
        raise CannotAsk(
            f"--status {response.status} would not be settled, so it cannot be the "
            "recorded response. Where nothing happened, say --did-not-happen."
        )
    return response.for_the_payer()


def _body(given: str) -> bytes:
    if not given.startswith("@"):
        raise CannotAsk("--body takes @FILE, or @- for standard input.")
    if given == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(given[1:]).read_bytes()
    except OSError as unreadable:
        raise CannotAsk(f"--body {given}: {unreadable}") from unreadable


def _is_sure(options: argparse.Namespace, talk: Talk, name: Key) -> bool:
    if options.yes:
        return True
    answer = talk.asked(f"Type the first six digits ({name[:6]}) to go on: ")
    if answer == name[:6]:
        return True
    talk.error("nothing was changed. Repeat with --yes, or type the digits.")
    return False


def _keep(
    talk: Talk,
    act: str,
    name: Key,
    options: argparse.Namespace,
    before: Facts | None,
    outcome: str,
) -> None:
    """One line that can be kept, on standard error."""
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "act": act,
        "digest": name,
        "by": options.by or _user(),
        "reason": options.reason,
        "before": as_json(name, before) if before else "damaged",
        "outcome": outcome,
    }
    talk.keep(json.dumps(line))


def _user() -> str:
    """A container may run under a number that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
