"""What a policy allows, and what a lost store costs. Every excuse is read off what was
planned and what happened outside the code under test, and is as narrow as that allows.
"""

from origin_middleware.events import RanUnprotected, Reconciled
from origin_middleware.stores.redis import scripts

from .books import Asked, Books, Disturbance, Started, Told
from .handler import record_name
from .server import Server, Step

_CLAIM = scripts.CLAIM.digest
_MARK = scripts.MARK.digest
_RENEW = scripts.RENEW.digest

# A server says for how many whole seconds it has been up.
_UPTIME = 1.0

# For so long, in seconds, a claim in doubt is withdrawn again and again.
_WITHDRAWN = 60.0

# What a process may lag behind in all that is not faults: round trips, turns.
_SLACK = 0.1


def second_start(books: Books, server: Server, first: Started, second: Started) -> bool:
    """May `second` start after `first`?"""
    if first.failed is not None and first.failed <= second.at and first.may_run_again:
        return True
    if unprotected(books, server, first.asked) or unprotected(
        books, server, second.asked
    ):
        return True
    if _is_taken_over(books, server, first, second):
        return True
    return lost(books, server, first, second.process, second.at)


def _is_taken_over(
    books: Books, server: Server, first: Started, second: Started
) -> bool:
    """The policy allows it, the lease had lapsed, and there was a reason for that."""
    options = books.plan.options
    if options.declares and (
        first.effect is None or _begins_after_a_loss(books, server, first, second)
    ):
        return _has_left(books, server, first, second.at)
    if options.on_abandoned == "refuse":
        return False
    if options.on_abandoned != "execute" and not any(
        key == first.key and ruling == "execute" and first.at <= at <= second.at
        for at, key, ruling in books.ruled
    ):
        return False
    return _has_left(books, server, first, second.at)


def _begins_after_a_loss(
    books: Books, server: Server, first: Started, second: Started
) -> bool:
    """The store has lost that the other had the key in the meantime."""
    begins = first.declared
    if begins is None or begins <= second.at:
        return False
    return lost(books, server, second, first.process, begins)


def _has_left(books: Books, server: Server, run: Started, at: float) -> bool:
    """Has its process died, or could it not renew, or did it say that nobody knows?"""
    if run.process in books.died and books.died[run.process] <= at:
        return True
    if run.failed is not None and run.failed <= at:
        return True  # and may not run again: the policy decides
    return books.disturbed(run.at - _margin(books), at, run.process)


def _margin(books: Books) -> float:
    """So long before may have happened what shows now."""
    return books.plan.options.lease + books.plan.options.budget


def lost(
    books: Books, server: Server, run: Started, process: int, until: float
) -> bool:
    """The store lost the record of the run before that instant, and the process could
    not know, or had waited out its quarantine.
    """
    name, quarantine = record_name(run.key), books.plan.options.quarantine
    for loss in server.losses:
        if not run.at <= loss.at + _SLACK or loss.at > until:
            continue
        if name not in loss.names:
            continue
        if quarantine == 0 or until >= loss.at + quarantine - _SLACK:
            return True
        if not _knew(books, server, process, loss.at):
            return True
        if _looks_restarted(books, server, process, until, loss.at):
            return True
    return False


def _looks_restarted(
    books: Books, server: Server, process: int, until: float, promoted: float
) -> bool:
    """The replica that was promoted has restarted before the process met it: it looks
    like the old primary, restarted with its data."""
    met = (s.at for s in server.steps if s.process == process and s.at > promoted)
    return any(
        promoted < each.at < next(met, until)
        for each in books.disturbances
        if each.what == "restart"
    ) and any(
        each.what == "promoted" and each.at == promoted for each in books.disturbances
    )


def _knew(books: Books, server: Server, process: int, at: float) -> bool:
    """Had it met the server before? The mark is the last thing that it asks for; by a
    reply that was lost, it knows nothing."""
    return any(
        step.at < at
        if step.script != _MARK
        else step.at + _SLACK < at
        and not books.disturbed(step.at - 1.0, step.at + _SLACK, process)
        for step in server.steps
        if step.process == process
    )


def unprotected(books: Books, server: Server, asked: Asked) -> bool:
    """The policy runs handlers without the store, when that is away."""
    if books.plan.options.on_store_unavailable != "execute":
        return False
    told = [t for t in books.told if t.asked is asked]
    ran = [t for t in told if isinstance(t.event, RanUnprotected)]
    return any(_store_was_away(books, server, t.at, t.process) for t in ran)


def _store_was_away(books: Books, server: Server, at: float, process: int) -> bool:
    since = at - books.plan.options.budget - _SLACK
    return books.disturbed(since, at, process) or quarantined(
        books, server, at, process
    )


def quarantined(books: Books, server: Server, at: float, process: int) -> bool:
    """Records may have been lost, and retries of what they stood for may still come."""
    quarantine = books.plan.options.quarantine + _UPTIME + _SLACK
    return any(
        at <= _quarantined_from(books, server, each, process) + quarantine
        for each in books.disturbances
        if each.at <= at and _may_look_lost(server, each)
    )


def _may_look_lost(server: Server, each: Disturbance) -> bool:
    """A restart as well, where the server had had no room for its mark."""
    marked = any(
        step.script == _MARK and not step.error and step.at < each.at
        for step in server.steps
    )
    return each.what in ("lost", "promoted") or (each.what == "restart" and not marked)


def _quarantined_from(
    books: Books, server: Server, loss: Disturbance, process: int
) -> float:
    """The start of the server that a process met afterwards; nobody says when a replica
    was promoted, so there it is when the process heard of it."""
    steps = (
        step.at
        for step in server.steps
        if step.process == process and step.script != _MARK and step.at >= loss.at
    )
    met = next(steps, None)
    if loss.what == "promoted":
        return loss.at if met is None else met
    return max(
        each.until
        for each in books.disturbances
        if each.what in ("lost", "restart")
        and loss.at <= each.at
        and (met is None or each.at <= met)
    )


def unknown(books: Books, server: Server, asked: Asked) -> bool:
    """Why the outcome of an earlier attempt may be unknown."""
    key, options = asked.request.key, books.plan.options
    if _was_lost(server, key):
        return True
    for run in books.runs_of(key):
        if run.failed is not None and not run.may_run_again:
            return True
        if options.declares and run.declared is None:
            continue  # it has done nothing, and everybody can know
        if run.process in books.died and not run.delivering:
            return True
        if asked.is_probe:
            if run.process in books.died:
                return True
            continue
        if books.disturbed(
            run.at - _margin(books), asked.at + options.patience, run.process
        ):
            return True
    return _doubted(books, asked) or _nobody_ruled(books, server, asked)


def _was_lost(server: Server, key: int) -> bool:
    return any(record_name(key) in loss.names for loss in server.losses)


def _nobody_ruled(books: Books, server: Server, asked: Asked) -> bool:
    """There was a reason to ask a reconciler, and it said that it does not know."""
    refused = [
        told.at
        for told in books.told
        if isinstance(told.event, Reconciled)
        and told.event.ruling == "refuse"
        and told.event.key == f"intent-{asked.request.key}"
    ]
    return any(_is_abandoned(books, server, asked.request.key, at) for at in refused)


def held_by_a_clock(books: Books, server: Server, asked: Asked) -> bool:
    """Somebody has set the server's clock back: a lease lasts as much longer."""
    back = any(e.kind == "clock" and e.seconds < 0 for e in books.plan.troubles)
    return back and unknown(books, server, asked)


def told_by_the_books(books: Books, server: Server, run: Started) -> bool:
    """A reconciler knows a run by its key alone, and may answer another request with
    it: only where no record of it is left, or ever was."""
    answered = any(of == run.key and said == "respond" for _, of, said in books.ruled)
    lost = _was_lost(server, run.key)
    return answered and (lost or not run.protected)


def closed_in_trouble(books: Books, process: int) -> bool:
    """What is in doubt can be withdrawn only while the store answers, and for certain
    only when a moment has passed on its clock, which somebody may have set back."""
    at = books.stopped.get(process, books.quiet)
    if any(
        each.kind == "clock" and each.seconds < 0 and at - _WITHDRAWN <= each.at <= at
        for each in books.plan.troubles
    ):
        return True
    return books.disturbed(at - 2 * _margin(books), at + 2 * _margin(books), process)


def _doubted(books: Books, asked: Asked) -> bool:
    """A claim that nobody ran under, and whose process could not withdraw it; or that
    arrived late, and in time by a clock that was set back."""
    back = [e.at for e in books.plan.troubles if e.kind == "clock" and e.seconds < 0]
    for other in books.asked:
        if other.request.key != asked.request.key or not other.claims:
            continue
        if other.process in books.died:
            return True
        if any(
            other.at <= at and books.disturbed(other.at, at, other.process)
            for at in back
        ):
            return True
        if other.process in books.stopped and closed_in_trouble(books, other.process):
            return True
        if not asked.is_probe and books.disturbed(
            other.at, asked.at + books.plan.options.patience, other.process
        ):
            return True
    return False


def start_without_record(books: Books, server: Server, run: Started) -> bool:
    """The record under which it starts was lost; or the attempt that it took over was
    alive, and has completed; or its lease was cut short by somebody who has set the
    server's clock, and another has it."""
    name = record_name(run.key)
    held = run.record or b""
    earlier = [each.owner for each in books.runs_of(run.key) if each.at < run.at]
    if held[1:2] in (b"C", b"B", b"N") and held[2:18] in earlier:
        return True
    if any(name in loss.names for loss in server.losses if loss.at <= run.at):
        return True
    claimed = run.asked.claims[-1][0] if run.asked.claims else run.at
    return any(
        each.what == "clock" and claimed - _margin(books) <= each.at <= run.at
        for each in books.disturbances
    )


def attempts(books: Books, server: Server, key: int) -> int:
    """How many there may have been: runs, and claims that were not withdrawn in
    time."""
    runs = books.runs_of(key)
    ran = [run.asked for run in runs]
    claimed = [
        asked
        for asked in books.asked
        if asked.request.key == key
        and asked.claims
        and asked not in ran
        and (asked.process in books.died or _is_in_doubt(books, asked))
    ]
    return len(runs) + len(claimed) + _came_again(server, key)


def _came_again(server: Server, key: int) -> int:
    """Claims that had been tried twice, and of which the other try came when the key
    had been given back: one that nobody waits for any more, and it counts.
    """
    name, applied, again = record_name(key), set[bytes](), 0
    for step in server.steps:
        owner = (step.after or b"")[2:18]
        if step.script != _CLAIM or step.name != name or step.before == step.after:
            continue
        if owner in applied and (step.before or b"")[1:2] == b"R":
            again += 1
        applied.add(owner)
    return again


def _is_in_doubt(books: Books, asked: Asked) -> bool:
    if not (asked.cancelled or asked.gone or asked.code == "store-unavailable"):
        return False
    return books.disturbed(asked.at, asked.at + _margin(books), asked.process)


def claim_lost(books: Books, server: Server, run: Started) -> bool:
    """The store lost it, its lease had lapsed for a reason, or the attempt that it took
    over was alive and has completed first."""
    if _was_lost(server, run.key):
        return True
    until = run.failed or books.quiet
    if any(
        first.at < run.at and first.delivering is not None and first.delivering < until
        for first in books.runs_of(run.key)
    ):
        return True
    return books.disturbed(run.at - _margin(books), run.failed or run.at, run.process)


def lease_lost(server: Server, told: Told) -> bool:
    """A renewal of this process found the record in other hands."""
    assert told.event.key is not None
    name = record_name(int(told.event.key.rpartition("-")[2]))
    renewals = [
        step
        for step in server.steps
        if step.process == told.process
        and step.name == name
        and step.script == _RENEW
        and step.at <= told.at
    ]
    return any(_is_not_ours(step) for step in renewals)


def _is_not_ours(step: Step) -> bool:
    return step.before is None or step.before[1:18] != step.arguments[0][1:18]


def claim_missing(books: Books, server: Server, key: int) -> bool:
    """A completion found no claim: the store lost it, or it had been taken over."""
    if _was_lost(server, key):
        return True
    return any(
        kind == "take over" and _is_abandoned(books, server, key, at)
        for asked in books.asked
        if asked.request.key == key
        for at, kind, _ in asked.claims
    )


def _is_abandoned(books: Books, server: Server, key: int, at: float) -> bool:
    """Was there a reason for it?"""
    if any(_has_left(books, server, run, at) for run in books.runs_of(key)):
        return True
    return any(
        asked.claims
        and asked.request.key == key
        and (
            asked.process in books.died or books.disturbed(asked.at, at, asked.process)
        )
        for asked in books.asked
    )
