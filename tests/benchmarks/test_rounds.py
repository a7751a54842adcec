"""Rows alternate, a row that fails has no figure, a disturbed block is repeated."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rounds
from benchmarks.duplicates import Arrival
from benchmarks.examination import latency
from benchmarks.machine import kept_waiting, pin, row_core
from benchmarks.measures import FIRST, MEASURES, REPLAY, Effort
from benchmarks.process import NoAnswer, Process
from benchmarks.results import Results
from benchmarks.rounds import ControlFailed, Rounds
from benchmarks.rows import BY_NAME
from benchmarks.server import Server
from tests.benchmarks.examples import results


class Nowhere(Server):
    def __init__(self) -> None:
        self.pid = os.getpid()

    def empty(self) -> None:
        pass


class Scripted(Process):
    """Answers a block with its turn, or fails at one of them."""

    def __init__(self, name: str, asked: list[str], fails_at: int = -1) -> None:
        self.row = BY_NAME[name]
        self.pid = os.getpid()
        self.server = Nowhere()
        self._asked = asked
        self._fails_at = fails_at

    def ask(self, command: str, **arguments: Any) -> list[float]:
        assert command == "block"
        self._asked.append(self.row.name)
        if self._asked.count(self.row.name) == self._fails_at:
            raise NoAnswer("answers 500")
        assert arguments["requests"] >= 1
        return [1.0, 2.0, 3.0]


def empty() -> Results:
    return {**results(), "rounds": {}, "failures": {}}


def played(processes: list[Process], effort: Effort, found: Results) -> None:
    for _ in Rounds(processes, effort, found).run():
        pass


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "kept_waiting", lambda _: 0.0)


def test_each_chunk_begins_with_another_row() -> None:
    asked: list[str] = []
    processes: list[Process] = [Scripted(x, asked) for x in ("floor", "ichido")]
    played(processes, Effort(rounds=1, chunks=2), empty())
    assert asked[:4] == ["floor", "ichido", "ichido", "floor"]


def test_a_round_has_one_figure_for_all_its_chunks() -> None:
    found = empty()
    played([Scripted("floor", [])], Effort(rounds=2, chunks=3), found)
    assert found["rounds"][FIRST.name] == {"floor": [2.0, 2.0]}
    assert found["meta"]["noise"]["blocks"] == 10 + 2 * 3 * len(MEASURES)


def test_a_row_that_fails_in_a_later_round_has_no_figure_and_is_not_asked_again() -> (
    None
):
    asked: list[str] = []
    rival = Scripted("ichido", asked, fails_at=len(MEASURES) + 1)
    found = empty()
    played([Scripted("floor", []), rival], Effort(rounds=3, chunks=1), found)
    assert found["failures"] == {FIRST.name: {"ichido": "answers 500"}}
    assert found["rounds"][FIRST.name].keys() == {"floor"}
    assert found["rounds"][REPLAY.name].keys() == {"floor", "ichido"}
    assert len(asked) == 3 * len(MEASURES) - 1


def test_a_row_that_fails_in_a_later_chunk_has_no_figure() -> None:
    found = empty()
    rival = Scripted("ichido", [], fails_at=2)
    played([Scripted("floor", []), rival], Effort(rounds=1, chunks=2), found)
    assert found["rounds"][FIRST.name].keys() == {"floor"}


def test_without_its_control_there_is_no_run() -> None:
    with pytest.raises(ControlFailed, match="floor: answers 500"):
        played([Scripted("floor", [], fails_at=1)], Effort(), empty())


def test_a_disturbed_block_is_measured_again_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = iter(range(1_000_000))  # seconds: others have the core all the time
    monkeypatch.setattr(rounds, "kept_waiting", lambda _: float(next(waited)))
    asked: list[str] = []
    found = empty()
    played([Scripted("floor", asked)], Effort(rounds=1, chunks=1), found)
    assert len(asked) == 4 * len(MEASURES)
    noise = found["meta"]["noise"]
    assert noise["repeated"] == 2 + 3 * len(MEASURES)
    assert noise["disturbed"] == 1 + len(MEASURES)


def test_without_patience_nothing_is_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = iter(range(1_000_000))
    monkeypatch.setattr(rounds, "kept_waiting", lambda _: float(next(waited)))
    asked: list[str] = []
    effort = Effort(rounds=1, chunks=1, patience=0.0)
    played([Scripted("floor", asked)], effort, empty())
    assert len(asked) == len(MEASURES)


def test_an_answer_after_the_completion_is_a_wake_up() -> None:
    assert latency(1.0, Arrival(outcome="200", executions=0, at=1.5)) == 0.5


@pytest.mark.parametrize(
    ("arrival", "why"),
    [
        (Arrival(outcome="409", executions=0, at=1.5), "does not wait: answers 409"),
        (Arrival(outcome="200", executions=0, at=0.5), "does not wait: answers 200"),
        (Arrival(outcome="200", executions=1, at=1.5), "runs the handler too"),
    ],
)
def test_a_duplicate_that_does_not_wait_has_no_latency(
    arrival: Arrival, why: str
) -> None:
    with pytest.raises(NoAnswer, match=why):
        latency(1.0, arrival)


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists() or not row_core(),
    reason="this machine does not tell how long a process was kept waiting",
)
def test_two_processes_on_one_core_keep_each_other_waiting() -> None:
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy) as one, subprocess.Popen(busy) as other:
        try:
            pin(one.pid, row_core())
            pin(other.pid, row_core())
            until = time.monotonic() + 10
            while kept_waiting(one.pid) < 0.02 and time.monotonic() < until:
                time.sleep(0.01)  # for the clock of the scheduler, which is no other
            assert kept_waiting(one.pid) >= 0.02
        finally:
            one.kill()
            other.kill()
