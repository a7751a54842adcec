"""The demo as its users run it: the story holds, and nothing is left behind."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from sample_origin.machine import Machine
from sample_origin.story import STEPS, no_payment, tell
from sample_origin.teller import BrokenPromiseError, Teller

COMMAND = [sys.executable, "-m", "sample_origin"]


def descendants(pid: int) -> list[int]:
    """Where the system shows them."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            own, _, rest = stat.read_text().partition(" (")
            parents.setdefault(int(rest.rpartition(") ")[2].split()[1]), []).append(
                int(own)
            )
    found = [pid]
    for parent in found:
        found += parents.get(parent, [])
    return found[1:]


def alive(pids: list[int]) -> list[int]:
    """Zombies, whom nobody has waited for yet, do not count."""
    running = []
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
            running += [pid] if state != "Z" else []
    return running


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
        process.terminate()
        process.communicate()


def test_serve_leaves_the_chain_running_and_ends_cleanly() -> None:
    with served() as (process, url, directory):
        paid = {"x402-payment": "stub-1"}
        assert httpx.get(f"{url}/api/joke").status_code == 402
        first, second = (httpx.get(f"{url}/api/joke", headers=paid) for _ in range(2))
        assert first.content == second.content
        assert second.headers["idempotent-replayed"] == "true"
        started = descendants(process.pid)
        assert len(started) > 6 or sys.platform != "linux"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not Path(directory).exists()
    assert alive(started) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGQUIT])
def test_whatever_ends_the_demo_ends_all_of_it(number: signal.Signals) -> None:
    with served() as (process, _, directory):
        started = descendants(process.pid)
        process.send_signal(number)
        process.wait(20)
        until = time.monotonic() + 20
        while Path(directory).exists() or alive(started):
            assert time.monotonic() < until, (directory, alive(started))


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
