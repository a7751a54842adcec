"""What must hold in every schedule: the invariants I1 to I10.

I1   a handler is started once for each key, unless something excuses it: excuses.py
I2   all answers that count are the same, byte for byte
I3   none of them without its effect
I4   when the faults are over, every key is served
I5   an outcome is unknown only where a process died, stood still, or lost the store
I6   a success is never told as a failure
I7   no answer goes to another request
I8   what a client was given in full stays: later requests get the same
I9   no handler starts under a claim that is not its own, or that was not made
I10  nothing is left: tasks, connections, doubts, keys without an expiry
"""

from collections.abc import Callable, Iterator
from math import inf

from origin_middleware import events
from origin_middleware.errors import ClaimLost, StoreError
from origin_middleware.stores.redis import scripts

from . import excuses
from .books import Asked, Books, Started, Violation
from .handler import HandlerFailed, record_name
from .server import Server, Step

_COMPLETE = scripts.COMPLETE.digest

_MAY_PASS = ("store-unavailable", "in-progress")

# In seconds: how long a fault may show, how long a lost wake-up may, and how long at
# least a shutdown waits for handlers.
_LINGERS = 5.0
_FLOOR = 1.5
_DRAINS = 29.0
_MOMENT = 0.1
_AT_ONCE = 0.5

_ENDS = tuple(
    script.digest for script in (scripts.COMPLETE, scripts.RELEASE, scripts.ABANDON)
)


def violations(books: Books, server: Server) -> list[Violation]:
    return [found for check in _CHECKS for found in check(books, server)]


def started_once(books: Books, server: Server) -> Iterator[Violation]:
    """I1."""
    for key in _keys(books):
        runs = books.runs_of(key)
        for i, run in enumerate(runs):
            for before in runs[:i]:
                if not excuses.second_start(books, server, before, run):
                    what = f"run {run.number} of key {key} after run {before.number}"
                    yield Violation("I1", what)


def one_answer(books: Books, server: Server) -> Iterator[Violation]:
    """I2, I3 and I7."""
    for key in _keys(books):
        runs = books.runs_of(key)
        replays: set[bytes] = set()
        for asked in books.asked:
            if asked.request.key != key or not asked.served:
                continue
            run = next((run for run in runs if run.body == asked.body), None)
            if run is None:
                yield Violation("I3", f"request {asked.number}: {asked.body[:40]!r}")
            elif run.effect is None:
                yield Violation("I3", f"request {asked.number}: without an effect")
            elif (
                run.asked.request.variant != asked.request.variant
                and not excuses.told_by_the_books(books, server, run)
            ):
                yield Violation("I7", f"request {asked.number} got run {run.number}")
            if asked.replayed and not _is_off_the_record(books, asked):
                replays.add(asked.body)
        delivered = {a.body for a in books.asked if a.request.key == key and a.served}
        if len(replays) > 1 and not _was_lost(server, key):
            yield Violation("I2", f"key {key} has replays of {len(replays)} responses")
        if len(delivered) > len([run for run in runs if run.delivering or run.effect]):
            yield Violation("I2", f"key {key}: more answers than runs")


def served_when_quiet(books: Books, server: Server) -> Iterator[Violation]:
    """I4."""
    for asked in books.asked:
        if not asked.is_probe:
            continue
        if not asked.over:
            yield Violation("I4", f"probe {asked.number} got nothing at all")
        elif asked.served or asked.code in ("different-request", "not-replayable"):
            continue
        elif asked.code == "attempts-exhausted":
            attempts = excuses.attempts(books, server, asked.request.key)
            if attempts < books.plan.options.max_attempts:
                yield Violation("I4", f"probe {asked.number}: {attempts} attempts")
        elif asked.code == "outcome-unknown":
            continue  # I5
        elif (
            asked.code == "in-progress"
            and excuses.held_by_a_clock(books, server, asked)
        ) or (
            asked.code == "store-unavailable"
            and excuses.quarantined(books, server, asked.at, asked.process)
        ):
            continue
        else:
            yield Violation("I4", f"probe {asked.number}: {asked.status} {asked.code}")


def refused_for_a_reason(books: Books, server: Server) -> Iterator[Violation]:
    """I4: 503 only while the store is away, or in quarantine; 409 in-progress only
    while somebody is."""
    for asked in books.asked:
        if asked.code not in _MAY_PASS or asked.request.slow:
            continue
        since = asked.at - _LINGERS
        until = asked.answered or asked.at
        if books.disturbed(since, until, asked.process):
            continue
        if asked.code == "store-unavailable":
            if not excuses.quarantined(books, server, until, asked.process):
                yield Violation("I4", f"request {asked.number} was refused: 503")
        elif _ended_before(server, asked, until - _FLOOR):
            yield Violation("I4", f"request {asked.number} waited for what was over")


def _is_claimed(server: Server, end: Step) -> bool:
    """At once, by a claim that was on its way."""
    return any(
        step.name == end.name
        and end.at <= step.at <= end.at + _AT_ONCE
        and (step.before or b"")[1:2] == b"R"
        and (step.after or b"")[1:2] == b"P"
        for step in server.steps
    )


def _ended_before(server: Server, asked: Asked, when: float) -> bool:
    """Since then, the server has had a finished record."""
    name, since = record_name(asked.request.key), None
    for step in server.steps:
        if step.name == name and step.at <= when + _FLOOR:
            is_finished = (step.after or b"")[1:2] in (b"C", b"B", b"N")
            since = (since or step.at) if is_finished else None
    return since is not None and since <= when


def woken(books: Books, server: Server) -> Iterator[Violation]:
    """I4: whoever waits for an attempt hears at once how it ended."""
    for step in server.steps:
        before = step.before or b""
        is_end = step.script in _ENDS and before[1:2] == b"P"
        if not is_end or before[2:18] not in _owners(step):
            continue
        of_key = [a for a in books.asked if record_name(a.request.key) == step.name]
        waiting = [asked for asked in of_key if _waits(books, asked, step)]
        # A key that is given back is for one of them.
        all_hear = step.script == _COMPLETE
        reacted = [
            _reacts(asked, step.at) <= step.at + _AT_ONCE
            for asked in (waiting if all_hear else of_key)
        ]
        if not all_hear:
            reacted.append(_is_claimed(server, step))
        if waiting and not (all if all_hear else any)(reacted):
            yield Violation("I4", f"nobody hears of the end at {step.at:.3f}")


def _waits(books: Books, asked: Asked, step: Step) -> bool:
    if not asked.claims:
        return False
    runs = [run for run in books.started if run.asked is asked and run.at < step.at]
    if asked.request.slow or runs:
        return False
    begun = asked.at + _AT_ONCE < step.at
    ended = asked.answered is not None and asked.answered < step.at + _MOMENT
    out_of_patience = asked.at + books.plan.options.patience < step.at + _AT_ONCE
    leaves = min(asked.request.leaves or inf, asked.request.cancelled or inf)
    stopped = books.stopped.get(asked.process, inf)
    gone = min(asked.at + leaves, stopped) < step.at + _AT_ONCE
    if not begun or ended or out_of_patience or gone:
        return False
    return not books.disturbed(asked.at - _LINGERS, step.at + _AT_ONCE)


def _reacts(asked: Asked, since: float) -> float:
    """When it is answered, or claims the key."""
    claimed = [at for at, _, _ in asked.claims if at > since]
    return min([*claimed, asked.answered or inf])


def attempts_are_bounded(books: Books, server: Server) -> Iterator[Violation]:
    """I1: max_attempts."""
    most = books.plan.options.max_attempts
    for key in _keys(books):
        runs = [run for run in books.runs_of(key) if run.protected]
        if len(runs) > most and not _was_lost(server, key):
            yield Violation("I1", f"key {key} was started {len(runs)} times")


def first_is_canonical(books: Books, server: Server) -> Iterator[Violation]:
    """I2: a run that comes second answers what the first has recorded."""
    for run in books.started:
        if run.plan.ends != "ok" or run.asked.body != run.body:
            continue
        if not run.asked.served or run.asked.replayed or run.owner is None:
            continue
        for step in server.steps:
            if step.script == _COMPLETE and run.owner in _owners(step):
                before = step.before or b""
                is_other = before[1:2] == b"C" and before[2:18] != run.owner
                answered = run.asked.answered or step.at
                in_time = step.at <= answered and not books.disturbed(
                    step.at - _MOMENT, answered, run.process
                )  # or it was not told
                in_time = in_time and not _gave_up(books, run, step.at)
                if is_other and in_time and before[18:50] == _fingerprint(step):
                    what = f"run {run.number} answers, though another was first"
                    yield Violation("I2", what)
                break


def _gave_up(books: Books, run: Started, by: float) -> bool:
    """Was its answer on its way, because its outcome could not be written?"""
    return any(
        told.asked is run.asked
        and told.at <= by
        and isinstance(told.event, events.NotRecorded)
        for told in books.told
    )


def _owners(step: Step) -> list[bytes]:
    """The owner token is in one of the arguments."""
    return [each[2:18] for each in step.arguments]


def _fingerprint(step: Step) -> bytes:
    record = next(each for each in step.arguments if each[:1] < b" ")
    return record[18:50]


def unknown_for_a_reason(books: Books, server: Server) -> Iterator[Violation]:
    """I5."""
    for asked in books.asked:
        if asked.code == "outcome-unknown" and not excuses.unknown(
            books, server, asked
        ):
            yield Violation("I5", f"request {asked.number} at {asked.at:.3f}")


def success_is_told(books: Books, server: Server) -> Iterator[Violation]:
    """I6."""
    for run in books.started:
        asked = run.asked
        if isinstance(asked.raised, ClaimLost) and not excuses.claim_lost(
            books, server, run
        ):
            yield Violation("I6", f"run {run.number} has lost its claim for nothing")
        if run.process in books.died or run.delivering is None:
            continue
        if asked.cancelled or asked.gone or run.failed is not None:
            continue
        if not asked.over or not asked.served:
            what = f"run {run.number}: its client got {asked.status} {asked.code}"
            yield Violation("I6", what)
    for asked in books.asked:
        expected = HandlerFailed | ValueError | StoreError | ClaimLost
        if asked.gone or asked.cancelled or asked.replayed:
            # A stream hears that nobody listens; also where another has answered.
            expected |= OSError
        if asked.raised is not None and not isinstance(asked.raised, expected):
            ends = [r.plan.ends for r in books.started if r.asked is asked]
            if ends not in (["cancels itself"], ["exits"]):
                yield Violation("I6", f"request {asked.number}: {asked.raised!r}")


def what_was_delivered_stays(books: Books, server: Server) -> Iterator[Violation]:
    """I8."""
    for key in _keys(books):
        told = [told for told in books.told if told.event.key is not None]
        served = [a for a in books.asked if a.request.key == key and a.served]
        for first in served:
            run = next((r for r in books.runs_of(key) if r.body == first.body), None)
            if run is None or not run.protected or first.answered is None:
                continue
            if _was_lost(server, key, run.delivering) or _not_recorded(told, run):
                continue
            for later in books.asked:
                if later.request.key != key or later.at <= first.answered:
                    continue
                if later.request.variant != first.request.variant:
                    continue
                if not _is_fine_after(books, server, first, later):
                    what = (
                        f"request {later.number} after {first.number}: "
                        f"{later.status} {later.code} {later.body[:12]!r}"
                    )
                    yield Violation("I8", what)


def _is_fine_after(books: Books, server: Server, first: Asked, later: Asked) -> bool:
    if excuses.unprotected(books, server, later):
        return True
    if later.code == "store-unavailable":
        return True  # I4
    if later.served:
        return later.body == first.body
    if later.code == "not-replayable":
        return True
    return later.cancelled or later.gone or not later.over


def started_under_its_claim(books: Books, server: Server) -> Iterator[Violation]:
    """I9."""
    for run in books.started:
        if run.key < 0:
            continue
        if not run.protected:
            if not excuses.unprotected(books, server, run.asked):
                yield Violation("I9", f"run {run.number} has no claim")
            continue
        header = b"P" + (run.owner or b"?")
        is_held = run.record is not None and run.record[1:18] == header
        if not is_held and not excuses.start_without_record(books, server, run):
            held = run.record[:18] if run.record else None
            what = f"run {run.number} at {run.at:.3f} under {held!r}"
            yield Violation("I9", what)


def taken_over_in_time(books: Books, server: Server) -> Iterator[Violation]:
    """I9: nobody else's lease ends before it has lapsed, by the server's clock."""
    for step in server.steps:
        before, after = step.before or b"", step.after or b""
        if before[1:2] != b"P" or after[1:2] != b"P" or before[2:18] == after[2:18]:
            continue
        if after[2:18] == bytes(16):
            continue  # withdrawn, and nobody's
        lease, retention = int(before[76:86]), int(before[86:99])
        if lease > retention - step.left:
            yield Violation("I9", f"a lease is taken over too early at {step.at:.3f}")


def nothing_is_left(books: Books, server: Server) -> Iterator[Violation]:
    """I10."""
    for each in books.disturbances:
        stopped = books.stopped.get(each.process, each.at)
        if each.what == "exit" and each.at - stopped < _DRAINS:
            yield Violation("I10", f"process {each.process} did not wait")
    yield from (Violation("I10", each) for each in books.escaped)
    for process, what in books.left:
        if not excuses.closed_in_trouble(books, process):
            yield Violation("I10", f"process {process}: {what}")


def events_are_true(books: Books, server: Server) -> Iterator[Violation]:
    """What operators are told: part of I6 and I8."""
    for told in books.told:
        event = told.event
        match event:
            case events.LeaseLost():
                if not excuses.lease_lost(server, told):
                    yield Violation("I6", f"LeaseLost at {told.at:.3f}")
            case events.Executed():
                record = record_name(_number(event.key))
                owner = told.asked.claims[-1][2] if told.asked else b""
                if not any(
                    step.name == record
                    and step.script == _COMPLETE
                    and step.after is not None
                    and step.after[2:18] == owner
                    for step in server.steps
                ):
                    yield Violation("I8", f"Executed without a record at {told.at:.3f}")
            case events.Superseded() | events.ClaimMissing():
                key = _number(event.key)
                if len(books.runs_of(key)) < 2 and not excuses.claim_missing(
                    books, server, key
                ):
                    name = type(event).__name__
                    yield Violation("I6", f"{name} at {told.at:.3f}")
            case _:
                pass


def _not_recorded(told: list, run: Started) -> bool:  # type: ignore[type-arg]
    return any(
        isinstance(each.event, events.NotRecorded | events.Superseded)
        and _number(each.event.key) == run.key
        for each in told
    )


def _is_off_the_record(books: Books, asked: Asked) -> bool:
    """A ruling that the store did not take, and an event has said so: what still ran
    may come to be recorded."""
    return any(
        told.asked is asked and isinstance(told.event, events.NotRecorded)
        for told in books.told
    )


def _keys(books: Books) -> list[int]:
    return sorted(
        {asked.request.key for asked in books.asked if asked.request.key >= 0}
    )


def _number(key: str) -> int:
    return int(key.rpartition("-")[2])


def _was_lost(server: Server, key: int, since: float | None = None) -> bool:
    losses = (loss for loss in server.losses if loss.at >= (since or 0.0) - _MOMENT)
    return any(record_name(key) in loss.names for loss in losses)


Check = Callable[[Books, Server], Iterator[Violation]]

_CHECKS: tuple[Check, ...] = (
    started_once,
    one_answer,
    first_is_canonical,
    attempts_are_bounded,
    served_when_quiet,
    refused_for_a_reason,
    woken,
    unknown_for_a_reason,
    success_is_told,
    what_was_delivered_stays,
    started_under_its_claim,
    taken_over_in_time,
    nothing_is_left,
    events_are_true,
)
