"""The emulator as a process: what it says, and that nothing is left of it."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.aws.lambda_at_edge import TIMEOUT, X402_TIMEOUT
from edge.build.bundle import read_bundle
from edge.emulator import command as emulate
from edge.emulator.messages import Request, Response
from edge.emulator.transcript import Transcript
from tests.edge.commands import (
    ENVIRONMENT,
    REPOSITORY,
    SIGNING,
    STANDARD,
    URL,
    build,
)
from tests.support.lambdas import Event, bundle, log, pass_through
from tests.support.running import command, first_line

MODULE = ("-m", "edge", "emulate")
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


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder of its own: an emulator that is killed cannot tidy up."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # Set in many containers; it would hide a line that is not flushed.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Alive]:
    pipe = Alive(tmp_path)
    yield pipe
    pipe.close()


def live(event: Event, context: Any) -> Any:
    request = event["Records"][0]["cf"]["request"]
    # Never closed: the end of this process is what ends it.
    os.write(os.open(request["headers"]["x-alive"][0]["value"], os.O_WRONLY), b"x")
    log("living")
    if request["uri"] == "/sleep":
        time.sleep(60)
    if request["uri"] == "/block":
        # Holds the interpreter's lock for ages: no other thread of the process runs.
        re.match("(a+)+$", "a" * 60 + "b")
    return {"status": "200", "body": os.environ["LAMBDA_TASK_ROOT"]}


def ask(url: str, alive: Alive) -> str:
    """Invoke the function; gives the folder it lives in."""
    headers = {"X-Alive": str(alive.path)}
    return httpx.get(url, headers=headers, timeout=10, trust_env=False).text


def keep_busy(url: str, path: str, alive: Alive) -> None:
    """Invoke the function and turn away, while it is busy."""
    headers = {"X-Alive": str(alive.path)}
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(url + path, headers=headers, timeout=0.2, trust_env=False)
    assert alive.began()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_nothing(
    tmp_path: Path, alive: Alive, number: signal.Signals
) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE, "--port", "0")
    with command(*MODULE, *arguments) as process:
        folder = Path(ask(first_line(process), alive))
        assert (folder / "handler.py").is_file()
        assert alive.began()
        os.killpg(process.pid, number)  # as Ctrl-C does: to all of them
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (0, "")
    assert "| living\n" in stdout
    assert alive.ended()
    assert not folder.exists()


def test_a_signal_ends_a_function_that_is_busy(tmp_path: Path, alive: Alive) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE, "--port", "0")
    with command(*MODULE, *arguments) as process:
        keep_busy(first_line(process), "/sleep", alive)
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert alive.ended()


@pytest.mark.parametrize("path", ["/sleep", "/block"])
def test_functions_do_not_outlive_an_emulator_that_was_killed(
    tmp_path: Path, alive: Alive, path: str
) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE, "--port", "0")
    with command(*MODULE, *arguments) as process:
        keep_busy(first_line(process), path, alive)
        process.kill()
    assert alive.ended()


def test_the_log_file_is_appended_to(tmp_path: Path, alive: Alive) -> None:
    log_file = tmp_path / "edge.log"
    log_file.write_text("before\n")
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE, "--port", "0")
    with command(*MODULE, *arguments, "--log-file", log_file) as process:
        ask(first_line(process), alive)
    assert log_file.read_text() == "before\nliving\n"


def test_it_listens_on_an_inherited_socket(tmp_path: Path, alive: Alive) -> None:
    arguments = ("--bundle", bundle(tmp_path, live), "--origin", NOWHERE)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fd = listener.fileno()
        with command(*MODULE, *arguments, "--fd", str(fd), fds=(fd,)) as process:
            assert first_line(process) == url
            assert ask(url, alive)


def failure(process: subprocess.Popen[str]) -> str:
    """What the command says when it gives up with exit status 2."""
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (2, "")
    return stderr


def flipped(content: bytes, mark: bytes, after: int) -> bytes:
    damaged = bytearray(content)
    damaged[content.index(mark) + after] ^= 0xFF
    return bytes(damaged)


@pytest.mark.parametrize(
    ("environment", "routes", "seconds"),
    [
        (ENVIRONMENT, (REPOSITORY / "routes.toml").read_text(), TIMEOUT),
        ({"X402_FACILITATOR_URL": URL} | SIGNING, STANDARD, X402_TIMEOUT),
    ],
)
def test_the_function_has_the_time_that_deploy_gives_it(
    tmp_path: Path, environment: dict[str, str], routes: str, seconds: float
) -> None:
    file, zipped = tmp_path / "routes.toml", tmp_path / "edge.zip"
    file.write_text(routes)
    assert build(zipped, environment, file, "--offline") == 0
    options = Namespace(
        bundle=zipped, origin=NOWHERE, origin_response_timeout=30.0, log_file=None
    )
    distribution = emulate._distribution(options, read_bundle(zipped))
    assert distribution.function.timeout == seconds


def test_why_a_payment_is_refused_is_shown_from_the_log() -> None:
    """A 402 of x402 v2 has no reason in its body."""
    transcript = Transcript(Request("GET", b"/report", b"", (), b"", "1.1.1.1"))
    line = {"eventType": "verify", "valid": False, "reason": "insufficient_funds"}
    refused = Response(402, "Payment Required", (), b"{}")
    transcript.viewer_request([json.dumps(line)], refused)
    assert "answers 402: insufficient_funds" in transcript.text(402)


def test_what_the_caller_got_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    good = bundle(tmp_path, pass_through)
    missing, text = tmp_path / "missing.zip", tmp_path / "text.zip"
    text.write_text("not a zip")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("handler.py", "handler = print")
    large = tmp_path / "large.zip"
    with large.open("wb") as file:
        file.truncate(50 * 1024 * 1024 + 1)
    packed, listed = tmp_path / "packed.zip", tmp_path / "listed.zip"
    packed.write_bytes(flipped(good.read_bytes(), b"handler.py", 40))
    listed.write_bytes(flipped(good.read_bytes(), b"PK\x01\x02", 0))
    no_folder = tmp_path / "none" / "edge.log"
    with socket.create_server(("127.0.0.1", 0)) as taken, ExitStack() as stack:
        port = str(taken.getsockname()[1])
        wrong = {
            "no bundle": ("--bundle", missing, "--origin", NOWHERE),
            "not a zip": ("--bundle", text, "--origin", NOWHERE),
            "50 MB": ("--bundle", large, "--origin", NOWHERE),
            "python -m edge build": ("--bundle", other, "--origin", NOWHERE),
            "origin": ("--bundle", good, "--origin", "localhost:8000"),
            port: ("--bundle", good, "--origin", NOWHERE, "--port", port),
            "port must be 0-65535. Name another": (
                *("--bundle", good, "--origin", NOWHERE),
                *("--port", "99999"),
            ),
            "packed.zip is damaged": ("--bundle", packed, "--origin", NOWHERE),
            "listed.zip is damaged": ("--bundle", listed, "--origin", NOWHERE),
            "--fd 99": ("--bundle", good, "--origin", NOWHERE, "--fd", "99"),
            "is a folder": (
                *("--bundle", good, "--origin", NOWHERE, "--log-file"),
                tmp_path,
            ),
            "http://a..b": ("--bundle", good, "--origin", "http://a..b"),
            "http://a b": ("--bundle", good, "--origin", "http://a b"),
            "finite": (
                *("--bundle", good, "--origin", NOWHERE),
                *("--origin-response-timeout", "nan"),
            ),
            "log file": (
                "--bundle",
                good,
                "--origin",
                NOWHERE,
                "--log-file",
                no_folder,
            ),
        }
        runs = {
            word: stack.enter_context(command(*MODULE, *arguments))
            for word, arguments in wrong.items()
        }
        failures = {word: failure(process) for word, process in runs.items()}
    for word, line in failures.items():
        assert line.startswith("edge emulate: ")
        assert word in line
        assert line.count("\n") == 1
