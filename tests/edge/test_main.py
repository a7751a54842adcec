"""python -m edge as a shell meets it: interrupted, piped, on an old terminal."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.check import command
from edge.check.snapshot import save
from tests.edge.check import good
from tests.edge.commands import REPOSITORY, Captured

CHECK = [sys.executable, "-m", "edge", "check", "--no-probes", "--from-file"]
ROUTES = ["--routes", str(REPOSITORY / "routes.toml")]


def test_an_interruption_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def interrupted(_profile: str | None) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "open_session", interrupted)
    assert main(["check", "--distribution-id", "EDFDVBD6EXAMPLE", *ROUTES], {}) == 130
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "\ninterrupted. Repeat the command to go on.\n",
    )


def test_a_reader_who_has_had_enough_is_no_traceback(tmp_path: Path) -> None:
    """As head, which closes its end."""
    save(good.answers(), tmp_path / "saved.json")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [*CHECK, str(tmp_path / "saved.json"), *ROUTES],
            stdout=pipe,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env={},
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_without_arrows_is_no_traceback(tmp_path: Path) -> None:
    answers = good.answers()
    pages = [good.error(404, ResponsePagePath="/i.html", ResponseCode="200")]
    config = answers["distribution"]["DistributionConfig"]
    config["CustomErrorResponses"] = good.listed(pages)
    save(answers, tmp_path / "saved.json")
    done = subprocess.run(
        [*CHECK, str(tmp_path / "saved.json"), *ROUTES],
        capture_output=True,
        cwd=REPOSITORY,
        env={"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"are replaced by pages: 404 ? 200." in done.stdout
