"""A run on a real server, with a process for every row, and the command around it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measures import MEASURES, Effort
from benchmarks.process import running_row
from benchmarks.results import Results
from benchmarks.rows import BY_NAME, ROWS, UnknownRowError, chosen
from benchmarks.run import run
from benchmarks.server import find_binary, running_server

pytestmark = pytest.mark.slow

SMALLEST = Effort(
    rounds=2,
    chunks=1,
    requests=0.01,
    seconds=0.02,
    patience=0.0,
    storms=1,
    wake_ups=1,
    records=2,
)
OURS = [row.name for row in ROWS if row.kind == "ours" and row.ground != "fastapi"]
REQUIREMENTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of ours, and of rivals that are not installed here."""
    log = tmp_path_factory.mktemp("run") / "log"
    rivals = ["idemkit", "aws-lambda-powertools"]
    rows = chosen([*OURS, "raw-connection", *rivals])
    return run(rows, SMALLEST, find_binary(), log, lambda _: None)


def test_every_measure_has_a_figure_for_each_round(results: Results) -> None:
    for measure in MEASURES:
        figures = results["rounds"][measure.name]
        assert ("bare" in figures) == (measure.keys != "same")
        assert {"floor", "floor-again", "raw-connection"} <= set(figures)
        missing = set(OURS) - set(figures)
        if shutil.which("redis-server"):
            assert not missing
        else:
            assert missing == {"origin-middleware-redis-server"}
        assert {len(rounds) for rounds in figures.values()} == {2}


def test_ours_keeps_its_promise_in_a_storm(results: Results) -> None:
    storm = results["storms"]["origin-middleware"]
    assert (storm["executions"], storm["answered"]) == ([1], [300])


def test_another_process_is_woken_up(results: Results) -> None:
    (seconds,) = results["wake_ups"]["origin-middleware"]["seconds"]
    assert 0 < seconds < 5


def test_a_record_is_larger_than_its_body(results: Results) -> None:
    sizes = results["records"]
    assert sizes["floor"] > 1024
    assert sizes["origin-middleware"] > 1024


def test_a_rival_that_is_not_installed_is_shown_and_not_dropped(
    results: Results,
) -> None:
    assert (
        results["failures"]["start"].items()
        >= {
            "idemkit": "No module named 'idemkit'",
            "aws-lambda-powertools": "No module named 'aws_lambda_powertools'",
        }.items()
    )
    assert results["rows"]["idemkit"]["package"] == "idemkit not installed"


def test_what_is_measured_shares_our_session_and_not_our_ctrl_c(
    tmp_path: Path,
) -> None:
    """In another session the spinners would have half of its core: Linux shares a core
    between sessions before it looks at priorities."""
    with running_server(find_binary()) as server:
        row = running_row(BY_NAME["bare"], server, [], tmp_path / "log")
        with row as process:
            for pid in (server.pid, process.pid):
                assert os.getsid(pid) == os.getsid(0)
                assert os.getpgid(pid) != os.getpgid(0)


def test_results_are_written_and_shown_again(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "results.json"
    written.write_text(json.dumps(results))
    assert main(["--report", str(written)]) == 0
    assert "First execution\n" in capsys.readouterr().out
    assert main(["--markdown", str(written)]) == 0
    assert "| `origin-middleware` |" in capsys.readouterr().out


def test_an_unknown_row_is_answered_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--rows", "idemkitt"]) == 1
    said = capsys.readouterr().err
    assert "There is no row idemkitt. Choose from: bare, floor," in said


def test_a_row_comes_with_its_controls() -> None:
    names = [row.name for row in chosen(["idemptx"])]
    always = ["bare", "floor", "floor-again"]
    assert names == [*always, "bare-fastapi", "floor-fastapi", "idemptx"]
    assert chosen([]) == list(ROWS)
    with pytest.raises(UnknownRowError):
        chosen(["nobody"])


def test_every_rival_is_pinned() -> None:
    files = ("requirements.txt", "requirements-no-deps.txt")
    lines = "\n".join((REQUIREMENTS / name).read_text() for name in files)
    rivals = [row.distribution for row in ROWS if row.kind == "rival"]
    assert rivals
    assert [name for name in rivals if f"\n{name}==" not in lines] == []
