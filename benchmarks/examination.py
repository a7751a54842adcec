"""What every row is asked once: storms, wake-ups, records, and what it gets wrong."""

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from benchmarks.duplicates import Arrival, Storm
from benchmarks.measures import Effort
from benchmarks.process import NoAnswer, Process
from benchmarks.results import Results, Storms, WakeUps

DUPLICATES = 300

_PINGS = 200
_SETTLED_WITHIN = 0.06  # seconds until the duplicate waits in its process

Second = Callable[[Process], AbstractContextManager[Process]]
"""Another process of the same row."""


class Examination:
    def __init__(
        self,
        processes: Sequence[Process],
        second: Second,
        effort: Effort,
        results: Results,
    ) -> None:
        self._processes = processes
        self._second = second
        self._effort = effort
        self._results = results

    def run(self) -> Iterator[str]:
        for process in self._processes:
            row = process.row
            if row.replays:
                self._try("records", process, self._records)
            if row.kind != "control" or row.name == "bare":
                self._try("storms", process, self._storms)
            if row.kind != "control":
                self._try("wake-ups", process, self._wake_ups)
                self._try("verdicts", process, self._verdicts)
            yield f"storms, wake-ups, records, verdicts: {row.name}"

    def _try(
        self, what: str, process: Process, look: Callable[[Process], None]
    ) -> None:
        process.server.empty()
        try:
            look(process)
        except NoAnswer as exc:
            self._results["failures"].setdefault(what, {})[process.row.name] = str(exc)

    def _records(self, process: Process) -> None:
        number = self._effort.records
        process.ask("records", number=number)
        size = process.server.bytes_of_all_records() / number
        self._results["records"][process.row.name] = size

    def _storms(self, process: Process) -> None:
        storms: list[Storm] = [
            process.ask("storm", duplicates=DUPLICATES)
            for _ in range(self._effort.storms)
        ]
        outcomes: Counter[str] = Counter()
        for storm in storms:
            outcomes.update(storm["outcomes"])
        self._results["storms"][process.row.name] = Storms(
            duplicates=DUPLICATES,
            executions=[storm["executions"] for storm in storms],
            answered=[storm["answered"] for storm in storms],
            outcomes=dict(outcomes),
            seconds=[storm["seconds"] for storm in storms],
        )

    def _wake_ups(self, process: Process) -> None:
        with self._second(process) as second:
            second.answer()  # it is built
            self._wake_up(process, second)  # opens the connections
            found = [
                self._wake_up(process, second) for _ in range(self._effort.wake_ups)
            ]
            pings = second.ask("pings", number=_PINGS)
        self._results["wake_ups"][process.row.name] = WakeUps(
            seconds=found, pings=pings
        )

    def _wake_up(self, leader: Process, follower: Process) -> float:
        key = str(uuid.uuid4())
        leader.ask("lead", key=key)
        follower.ask("follow", key=key)
        # Not the same each time: who polls must not always be asked at the same moment.
        time.sleep(_SETTLED_WITHIN * random.uniform(1, 2))  # noqa: S311 - no secret
        completed: float = leader.ask("let_go")
        return latency(completed, follower.ask("arrived"))

    def _verdicts(self, process: Process) -> None:
        self._results["verdicts"][process.row.name] = process.ask("verdicts")


def latency(completed: float, arrival: Arrival) -> float:
    """Raises NoAnswer where the other process did not wait for the answer."""
    if arrival["executions"]:
        raise NoAnswer("the other process runs the handler too")
    if arrival["at"] < completed or arrival["outcome"] != "200":
        raise NoAnswer(f"does not wait: answers {arrival['outcome']}")
    return arrival["at"] - completed
