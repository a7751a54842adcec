"""The emulator as a process of its own: what it says, and that nothing is left of it."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.lambdas import Event, bundle, log, pass_through
from tests.support.running import command, first_line

MODULE = ("-m", "sample_origin.cloudfront")
NOWHERE = "http://127.0.0.1:1"


class Alive:
    """A named pipe that a function's process holds open for as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "alive"
        os.mkfifo(self.path)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def began(self) -> bool:
        return self._next() == b"x"

    def ended(self) -> bool:
        return self._next() == b""

    def close(self) -> None:
        os.close(self._descriptor)

    def _next(self) -> bytes | None:
        readable, _, _ = select.select([self._descriptor], [], [], 10)
        return os.read(self._descriptor, 1) if readable else None


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Alive]:
    pipe = Alive(tmp_path)
    yield pipe
    pipe.close()


def live(event: Event, context: Any) -> Any:
    request = event["Records"][0]["cf"]["request"]
    held = Path(request["headers"]["x-alive"][0]["value"]).open("w")
    vars(sys.modules[__name__])["held"] = held
    held.write("x")
    held.flush()
    log("living")
    if request["uri"] == "/forever":
        time.sleep(60)
    return {"status": "200", "body": os.environ["LAMBDA_TASK_ROOT"]}


def ask(url: str, path: str, alive: Alive) -> httpx.Response | None:
    """The answer; None if there was none in time."""
    try:
        headers = {"X-Alive": str(alive.path)}
        return httpx.get(url + path, headers=headers, timeout=0.5, trust_env=False)
    except httpx.ReadTimeout:
        return None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_nothing(
    tmp_path: Path, alive: Alive, number: signal.Signals
) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE)
    with command(*MODULE, *arguments) as process:
        response = ask(first_line(process), "/", alive)
        assert response is not None
        assert Path(response.text, "handler.py").is_file()
        assert alive.began()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout, stderr) == (0, "", "living\n")
    assert alive.ended()
    assert not Path(response.text).exists()


def test_a_signal_ends_a_function_that_is_busy(tmp_path: Path, alive: Alive) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE)
    with command(*MODULE, *arguments, "--lambda-timeout", "30") as process:
        ask(first_line(process), "/forever", alive)
        assert alive.began()
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert alive.ended()


def test_functions_do_not_outlive_an_emulator_that_was_killed(
    tmp_path: Path, alive: Alive
) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE)
    with command(*MODULE, *arguments, "--lambda-timeout", "30") as process:
        ask(first_line(process), "/forever", alive)
        assert alive.began()
        process.kill()
    assert alive.ended()


def test_the_log_file_is_appended_to(tmp_path: Path, alive: Alive) -> None:
    log_file = tmp_path / "edge.log"
    log_file.write_text("before\n")
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE)
    with command(*MODULE, *arguments, "--log-file", log_file) as process:
        ask(first_line(process), "/", alive)
    assert log_file.read_text() == "before\nliving\n"


def test_it_listens_on_an_inherited_socket(tmp_path: Path, alive: Alive) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fd = listener.fileno()
        with command(*MODULE, *arguments, "--fd", str(fd), fds=(fd,)) as process:
            assert first_line(process) == url
            assert ask(url, "/", alive) is not None


def failure(*arguments: str | Path) -> str:
    """What the command says when it gives up with exit status 2."""
    run = subprocess.run(
        [sys.executable, *MODULE, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
    )
    assert (run.returncode, run.stdout) == (2, "")
    return run.stderr


def test_what_the_caller_got_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    good = bundle(tmp_path, pass_through)
    missing, text = tmp_path / "missing.zip", tmp_path / "text.zip"
    text.write_text("not a zip")
    no_folder = tmp_path / "none" / "edge.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failures = [
            failure("--bundle", missing, "--origin", NOWHERE),
            failure("--bundle", text, "--origin", NOWHERE),
            failure("--bundle", good, "--origin", NOWHERE, "--handler", "other.main"),
            failure("--bundle", good, "--origin", "localhost:8000"),
            failure("--bundle", good, "--origin", NOWHERE, "--port", port),
            failure("--bundle", good, "--origin", NOWHERE, "--fd", "99"),
            failure("--bundle", good, "--origin", NOWHERE, "--log-file", no_folder),
        ]
    assert all(line.startswith("cloudfront: ") for line in failures)
    assert all(line.count("\n") == 1 for line in failures)
    expected = [
        "no bundle",
        "not a zip",
        "other.py",
        "origin",
        port,
        "--fd 99",
        "log file",
    ]
    assert all(word in line for word, line in zip(expected, failures, strict=True))
