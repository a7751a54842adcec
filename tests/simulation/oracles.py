"""What must be true of every schedule, and what excuses an exception.

The numbers are those of docs/proof.md. An excuse is never "something went wrong": it is
the very thing that the guarantees name, at the time and the place where it counts.
"""

import json
from collections.abc import Iterator

from origin_middleware.events import LeaseLost, RanUnprotected

from .play import QUARANTINE, Asked, History, Started
from .world import BEGAN

# On the virtual clock, for what happens "at" the same time.
_MOMENT = 0.01

_NOBODY = bytes(16)


def violations(history: History) -> list[str]:
    judge = _Judge(history)
    found = list(history.wrong)
    for rule in (
        judge.starts,
        judge.claims,
        judge.take_overs,
        judge.answers,
        judge.endings,
        judge.alarms,
    ):
        found += rule()
    return found


class _Judge:
    def __init__(self, history: History) -> None:
        self._history = history
        self._plan = history.plan
        keys = sorted({run.key for run in history.started})
        self._runs = {
            key: [run for run in history.started if run.key == key] for key in keys
        }

    # I1: a handler is started again only where the guarantees say so

    def starts(self) -> Iterator[str]:
        for key, runs in self._runs.items():
            for number, run in enumerate(runs):
                earlier = [
                    before
                    for at, before in enumerate(runs[:number])
                    if not self._is_settled(before, runs[at + 1 : number + 1])
                ]
                if earlier:
                    yield (
                        f"I1: key {key} started at {self._at(run.at)} by {run.worker}, "
                        f"after run {earlier[0].number} ({earlier[0].does.kind})"
                    )
            if len(runs) > self._plan.max_attempts and not self._lost_since(0):
                counted = [run for run in runs if not self._unprotected(run)]
                inquired = sum(k == key for _, k, said in self._history.rulings)
                if len(counted) > self._plan.max_attempts + inquired:
                    yield f"I1: key {key} started {len(counted)} times"

    def _is_settled(self, before: Started, later: list[Started]) -> bool:
        """When the last of `later` starts: by itself, or by one that took it over."""
        *between, run = later
        if self._may_follow(before, run):
            return True
        return any(self._is_take_over(before, other) for other in between)

    def _may_follow(self, before: Started, run: Started) -> bool:
        if self._gave_back(before, run):
            return True
        if self._unprotected(before) or self._unprotected(run):
            return True
        if self._is_take_over(before, run):
            return True
        return self._forgotten(before, run)

    def _gave_back(self, before: Started, run: Started) -> bool:
        """It reported that it failed, and the key was given back."""
        if before.failed_at is None or before.failed_at > run.at:
            return False
        if before.does.kind == "nothing happened":
            return True
        return before.does.kind != "outcome unknown" and (
            self._plan.on_failure == "release"
        )

    def _is_take_over(self, before: Started, run: Started) -> bool:
        """Of an abandoned attempt, as the policy or the seller's books say."""
        if run.attempt is None or run.attempt.first:
            return False
        if self._plan.policy == "execute":
            return True
        return any(
            key == run.key and before.at <= when <= run.at + _MOMENT
            for when, key, said in self._history.rulings
            if said == "execute"
        )

    def _forgotten(self, before: Started, run: Started) -> bool:
        """The server lost it, and the process that started again could not know; or so
        long ago that nobody tries again any more.
        """
        for lost in self._history.lost_at:
            if before.at - _MOMENT <= lost + 0.5 and lost <= run.at:
                met = run.worker.first_met
                if met is None or met > lost or run.at > lost + QUARANTINE:
                    return True
        return False

    def _unprotected(self, run: Started) -> bool:
        if self._plan.on_store_unavailable != "execute":
            return False
        return any(
            isinstance(event, RanUnprotected)
            and worker is run.worker
            and abs(when - run.at) < _MOMENT
            for when, worker, event in self._history.events
        )

    # I9: a handler starts only under a claim that is its own at that moment

    def claims(self) -> Iterator[str]:
        for run in self._history.started:
            if self._unprotected(run) or not run.owner:
                continue
            state, owner = run.found[1:2], run.found[2:18]
            is_own = state == b"P" and owner == run.owner
            if state in (b"C", b"B", b"N") and run.attempt and not run.attempt.first:
                continue  # the abandoned attempt ended after all, a moment ago
            if not is_own and not self._lost_before(run.at) and not self._clock_set():
                yield (
                    f"I9: key {run.key} started at {self._at(run.at)} by {run.worker} "
                    f"without a claim; the record is {run.found[:2]!r}"
                )

    # The server's side of it: no lease is taken over before it has lapsed

    def take_overs(self) -> Iterator[str]:
        leases: dict[bytes, float] = {}
        for when, name, before, after in self._history.writes:
            taken = _owner(before), _owner(after)
            if (
                None not in taken
                and taken[0] != taken[1]
                and taken[1] != _NOBODY
                and when < leases.get(name, 0.0) - _MOMENT
                and not self._clock_set()
                and not self._lost_before(when)
            ):
                left = leases[name] - when
                yield f"I9: taken over at {self._at(when)}, {left:.3f} s too early"
            if after is not None and _owner(after) is not None:
                is_new = before is None or before[:18] != after[:18]
                is_renewed = before is not None and len(before) == len(after)
                if after[50:60] == b"0000000000":
                    leases[name] = when
                elif is_new or is_renewed:
                    leases[name] = when + int(after[50:60]) / 1000

    # I2, I3, I7: an answer is that of a run for this very request, the same each time

    def answers(self) -> Iterator[str]:
        replayed: dict[int, bytes] = {}
        for asked in self._history.asked:
            if asked.told not in ("200", "part"):
                continue
            key, body = asked.ask.key, asked.ask.body
            if asked.told == "part":
                continue
            said = json.loads(asked.connection.body)
            if said[:2] != [key, body]:
                yield f"I7: a request for {[key, body]} is answered with {said}"
                continue
            runs = self._runs.get(key, [])
            if not any(run.number == said[2] and run.body == body for run in runs):
                yield f"I3: key {key} is answered 200, and no such run was made"
            if asked.is_replay:
                before = replayed.setdefault(key, asked.connection.body)
                if before != asked.connection.body and not self._lost_since(0):
                    yield f"I2: key {key} is answered in two ways: {before!r:.40}"
            if len(runs) == 1 and said[2] != runs[0].number:
                yield f"I2: key {key} is answered with a run that was not made"

    # I4, I5, I6: once all is well again, everybody gets a final answer

    def endings(self) -> Iterator[str]:
        told: dict[int, list[Asked]] = {}
        for asked in self._history.asked:
            if asked.final:
                told.setdefault(asked.ask.key, []).append(asked)
        for key, finals in told.items():
            yield from self._ending(key, finals)

    def _ending(self, key: int, finals: list[Asked]) -> Iterator[str]:
        runs = self._runs.get(key, [])
        for asked in finals:
            if asked.ended is None:
                yield f"I4: key {key} is never answered"
            elif asked.told == "in-progress" and self._set_back():
                pass  # a lease ends by the server's clock
            elif asked.told in ("store-unavailable", "in-progress", "record-damaged"):
                yield f"I4: key {key} is told {asked.told} when all is well"
            elif asked.told == "outcome-unknown" and not self._in_doubt(key, runs):
                yield f"I5: key {key} is told outcome-unknown, and nobody had to"
            elif asked.told == "not-replayable" and not self._not_kept(runs):
                yield f"I6: key {key} is told not-replayable"
            elif asked.told == "attempts-exhausted":
                inquired = any(k == key for _, k, _ in self._history.rulings)
                if len(runs) < self._plan.max_attempts and not inquired:
                    yield f"I4: key {key} is told {asked.told} after {len(runs)} runs"
        if all(asked.told == "different-request" for asked in finals):
            yield f"I7: key {key} belongs to a request that nobody made"
        yield from self._recorded(key, runs, finals)

    def _recorded(
        self, key: int, runs: list[Started], finals: list[Asked]
    ) -> Iterator[str]:
        """A success that was recorded is answered with."""
        if self._lost_since(0):
            return
        for run in runs:
            if run.final or run.does.kind == "too large" or not self._executed(run):
                continue
            mine = [asked for asked in finals if asked.ask.body == run.body]
            if not any(asked.told == "200" for asked in mine):
                said = mine[0].told if mine else "nothing"
                yield f"I6: key {key} was executed and recorded, and is told {said}"

    def _executed(self, run: Started) -> bool:
        """The server has its record, and nobody's else."""
        if not run.delivers or not run.owner:
            return False
        return any(
            after is not None
            and after[1:2] in (b"C", b"B")
            and after[2:18] == run.owner
            for _, _, _, after in self._history.writes
        )

    def _in_doubt(self, key: int, runs: list[Started]) -> bool:
        """Somebody started, and could not say how it ended; or died with a claim whose
        handler may have started for all that others know.
        """
        if self._lost_since(0):
            return True
        if any(run.does.kind == "outcome unknown" for run in runs):
            return True
        if self._plan.on_failure == "refuse" and any(
            r.failed_at is not None for r in runs
        ):
            return True
        for asked in self._history.asked:
            killed = asked.worker.killed_at
            if asked.ask.key != key or killed is None:
                continue
            if asked.ended is None or asked.ended >= killed - 2 * _PERSISTS:
                return True
        return any(self._ended_by_shutdown(run) for run in runs)

    def _ended_by_shutdown(self, run: Started) -> bool:
        """It went on for longer than a shutdown waits for it, or disturbs it not."""
        if not run.worker.drained:
            return False
        return run.ended_at is None or (run.delivers and self._has_left(run))

    def _has_left(self, run: Started) -> bool:
        """Its client; a handler hears of it in a shutdown, and may end."""
        return any(
            asked.worker is run.worker
            and asked.ask.key == run.key
            and (asked.ask.leaves_after is not None or asked.ask.cancelled_after)
            for asked in self._history.asked
        )

    def _not_kept(self, runs: list[Started]) -> bool:
        return any(run.does.kind == "too large" for run in runs)

    # P6: an alarm is not raised for nothing

    def alarms(self) -> Iterator[str]:
        for when, worker, event in self._history.events:
            if not isinstance(event, LeaseLost) or self._lost_before(when):
                continue
            mine = [
                run
                for run in self._history.started
                if run.worker is worker and f"intent-{run.key}" == event.key
            ]
            owners = {run.owner for run in mine}
            taken = any(
                _owner(before) in owners and _owner(after) != _owner(before)
                for at, _, before, after in self._history.writes
                if at <= when
            )
            if not taken:
                yield f"P6: {worker} says at {self._at(when)} that a lease is lost"

    # What was lost, and when

    def _lost_before(self, when: float) -> bool:
        return any(lost <= when for lost in self._history.lost_at)

    def _lost_since(self, when: float) -> bool:
        return any(lost >= when for lost in self._history.lost_at)

    def _clock_set(self) -> bool:
        return bool(self._history.clock_set_at)

    def _set_back(self) -> bool:
        return any(f.kind == "clock" and f.seconds < 0 for f in self._plan.faults)

    def _at(self, when: float) -> str:
        return f"{when - BEGAN:.3f} s"


# Seconds for which a process tries to write an outcome.
_PERSISTS = 30.0


def _owner(record: bytes | None) -> bytes | None:
    """Of a record in progress."""
    if record is None or record[1:2] != b"P":
        return None
    return record[2:18]
