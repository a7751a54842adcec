"""The demo as its users run it: the story holds, and nothing is left behind."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from sample_origin.machine import Machine
from sample_origin.story import STEPS, no_payment, tell
from sample_origin.teller import BrokenPromiseError, Teller

COMMAND = [sys.executable, "-m", "sample_origin"]


def processes_of(directory: str) -> list[bytes]:
    """Command lines that name the machine's directory, where the system shows them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            lines.append(path.read_bytes())
    return [line for line in lines if directory.encode() in line]


@pytest.mark.timeout(120)
def test_every_step_of_the_story_holds() -> None:
    told = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    assert re.findall(r"^ +(\d+)  ", told.stdout, re.MULTILINE) == [
        str(number) for number in range(1, len(STEPS) + 1)
    ]
    assert "Every step holds" in told.stdout


@contextmanager
def served(*options: str) -> Iterator[tuple["subprocess.Popen[str]", str, str]]:
    """`serve` in the background: the process, CloudFront's URL, and the directory."""
    process = subprocess.Popen(
        [*COMMAND, "serve", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        text = ""
        while "Ctrl-C" not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        (url,) = set(re.findall(r"curl -i (http://[\d.:]+)/api/joke", text))
        (directory,) = re.findall(r"cat (\S+)/edge.log", text)
        yield process, url, directory
    finally:
        process.kill()
        process.communicate()


def test_serve_leaves_the_chain_running_and_ends_cleanly() -> None:
    with served() as (process, url, directory):
        paid = {"x402-payment": "stub-1"}
        assert httpx.get(f"{url}/api/joke").status_code == 402
        first, second = (httpx.get(f"{url}/api/joke", headers=paid) for _ in range(2))
        assert first.content == second.content
        assert second.headers["idempotent-replayed"] == "true"
        assert processes_of(directory) or sys.platform != "linux"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not Path(directory).exists()
    assert processes_of(directory) == []


def test_serve_on_a_port_in_use_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = subprocess.run(
            [*COMMAND, "serve", "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"sample_origin: Port {port} cannot be used")
    assert len(failed.stderr.splitlines()) == 1


async def test_a_step_that_does_not_hold_ends_the_story(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def broken(teller: Teller) -> None:
        """A promise"""
        teller.count(effects=1, settlements=0)

    with Machine() as machine:
        assert await tell(machine, [no_payment])
        assert not await tell(machine, [broken, no_payment])
    told = capsys.readouterr().out
    assert "DOES NOT HOLD: expected 1 and 0 more, not 0 and 0" in told
    assert told.count("Without a payment") == 1


async def test_an_answer_with_another_status_does_not_hold() -> None:
    with Machine() as machine:
        async with httpx.AsyncClient(base_url=machine.cloudfront.url) as http:
            with pytest.raises(BrokenPromiseError, match="expected 200"):
                await Teller(machine, http).ask(200, "GET", "/api/joke")
