"""The timed part: in every round each measure, in chunks, row by row.

Rows alternate, and each chunk begins with another one, so that what the machine does
meanwhile meets all alike. Only figures of one round are compared with each other.
"""

import time
from collections.abc import Iterator, Sequence
from statistics import mean, median

from benchmarks.machine import kept_waiting
from benchmarks.measures import MEASURES, Effort, Measure
from benchmarks.process import NoAnswer, Process
from benchmarks.results import Noise, Results

_KEPT_WAITING = 0.08  # of a block; alone on its core a row stays below half of it
_ATTEMPTS = 4


class ControlFailed(Exception):
    """Without its control no row can be measured."""


class Rounds:
    def __init__(
        self,
        processes: Sequence[Process],
        effort: Effort,
        results: Results,
    ) -> None:
        self._processes = processes
        self._effort = effort
        self._patience = effort.patience
        self._results = results

    def run(self) -> Iterator[str]:
        """Say after each measure what is done. Raises ControlFailed."""
        for number in range(self._effort.rounds):
            for measure in MEASURES:
                self._measure(measure, number)
                yield f"round {number + 1}/{self._effort.rounds}: {measure.title}"

    def _measure(self, measure: Measure, number: int) -> None:
        found: dict[str, list[list[float]]] = {}
        for chunk in range(self._effort.chunks):
            for process in self._order(number * self._effort.chunks + chunk):
                if self._takes_part(process, measure):
                    figures = self._block(process, measure)
                    found.setdefault(process.row.name, []).append(figures)
        figures_of = self._results["rounds"].setdefault(measure.name, {})
        failed = self._results["failures"].get(measure.name, {})
        for name in found.keys() - failed.keys():
            figures_of.setdefault(name, []).append(_summary(measure, found[name]))
        for name in figures_of.keys() & failed.keys():
            del figures_of[name]

    def _order(self, turn: int) -> list[Process]:
        first = turn % len(self._processes)
        return [*self._processes[first:], *self._processes[:first]]

    def _takes_part(self, process: Process, measure: Measure) -> bool:
        row = process.row
        failed = self._results["failures"].get(measure.name, {})
        return row.name not in failed and (row.replays or measure.keys != "same")

    def _block(self, process: Process, measure: Measure) -> list[float]:
        try:
            return self._undisturbed(process, measure)
        except NoAnswer as exc:
            if process.row.kind == "control":
                raise ControlFailed(f"{process.row.name}: {exc}") from exc
            failures = self._results["failures"].setdefault(measure.name, {})
            failures[process.row.name] = str(exc)
            return []

    def _undisturbed(self, process: Process, measure: Measure) -> list[float]:
        """The least disturbed of a few attempts; one is enough on a quiet machine."""
        attempts = [self._attempt(process, measure)]
        while self._again(attempts):
            begun = time.perf_counter()
            attempts.append(self._attempt(process, measure))
            self._patience -= time.perf_counter() - begun
        waited, figures = min(attempts)
        noise: Noise = self._results["meta"]["noise"]
        noise["blocks"] += 1
        noise["repeated"] += len(attempts) - 1
        noise["disturbed"] += waited > _KEPT_WAITING
        return figures

    def _again(self, attempts: list[tuple[float, list[float]]]) -> bool:
        disturbed = min(attempts)[0] > _KEPT_WAITING
        return disturbed and len(attempts) < _ATTEMPTS and self._patience > 0

    def _attempt(self, process: Process, measure: Measure) -> tuple[float, list[float]]:
        """The share of the time that others had the cores, and the figures."""
        process.server.empty()
        pids = (process.pid, process.server.pid)
        begun, waited = time.perf_counter(), sum(map(kept_waiting, pids))
        requests = int(measure.requests * self._effort.requests / self._effort.chunks)
        figures: list[float] = process.ask(
            "block",
            measure=measure.name,
            requests=max(1, requests),
            seconds=self._effort.seconds / self._effort.chunks,
        )
        waited = sum(map(kept_waiting, pids)) - waited
        return waited / (time.perf_counter() - begun), figures


def _summary(measure: Measure, blocks: list[list[float]]) -> float:
    figures = [figure for block in blocks for figure in block]
    return mean(figures) if measure.is_rate else median(figures)
