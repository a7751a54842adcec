"""The demo as its users run it: the story holds, and nothing is left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from sample_origin.machine import running
from sample_origin.payers import signed
from sample_origin.processes import ServiceError
from sample_origin.steps import STEPS, X402_STEPS, no_payment
from sample_origin.story import StepError, Story, play

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
    """Zombies, which no parent has waited for yet, do not count."""
    found = []
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
            found += [pid] if state != "Z" else []
    return found


@pytest.mark.timeout(120)
def test_every_step_of_the_story_holds() -> None:
    told = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    assert re.findall(r"^ +(\d+)  ", told.stdout, re.MULTILINE) == [
        str(number) for number in range(1, len(STEPS) + 1)
    ]
    assert "Every step holds" in told.stdout


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_step_holds_before_a_standard_facilitator() -> None:
    """With payments that the official SDK's client signs."""
    command = [*COMMAND, "--facilitator", "x402"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    steps = re.findall(r"^ +(\d+)  ", told.stdout, re.MULTILINE)
    assert len(steps) == len(X402_STEPS) > len(STEPS)
    assert "Every step holds" in told.stdout


@pytest.mark.parametrize("missing", ["x402", "eth_account", "web3"])
def test_without_the_sdk_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Or without the part of it that signs."""

    def found(name: str) -> object:
        return None if name == missing else object()

    monkeypatch.setattr("sample_origin.machine.find_spec", found)
    with pytest.raises(ServiceError, match="pip install 'x402"), running(standard=True):
        pass


@contextmanager
def demo(*arguments: str, files: Path) -> Iterator["subprocess.Popen[str]"]:
    """In the background and, as in a terminal, in a process group of its own.

    It writes its files into the folder `files`.
    """
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(files)},
        text=True,
        process_group=0,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def read_until(text: str, process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, read
        read += line
    return read


def nothing_is_left(pids: list[int], files: Path) -> bool:
    """Waits for it: a worker may be orphaned, and its shutdown waits for outcomes that
    cannot be written, for 30 s."""
    until = time.monotonic() + 45
    while alive(pids) or any(files.iterdir()):
        if time.monotonic() > until:
            return False
    return True


def test_serve_leaves_the_chain_running_and_ends_cleanly(tmp_path: Path) -> None:
    with demo("serve", files=tmp_path) as process:
        text = read_until("Ctrl-C", process)
        (url,) = set(re.findall(r"curl -i (http://[\d.:]+)/api/joke", text))
        (directory,) = re.findall(r"cat (\S+)/edge.log", text)
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


def test_serve_before_a_standard_facilitator(tmp_path: Path) -> None:
    """What it prints works, and a payment of the SDK's client buys one answer."""
    with demo("serve", "--facilitator", "x402", files=tmp_path) as process:
        text = read_until("Ctrl-C", process)
        (url,) = re.findall(r"curl -i (http://[\d.:]+)/api/joke", text)
        (books,) = re.findall(r"curl -s (http://[\d.:]+/_ledger)", text)
        ledger, log = map(Path, re.findall(r"cat (\S+)", text))
        demand = httpx.get(f"{url}/api/joke")
        assert demand.status_code == 402
        paid = {"payment-signature": signed(demand.headers["payment-required"])}
        first, second = (httpx.get(f"{url}/api/joke", headers=paid) for _ in range(2))
        assert (first.status_code, first.content) == (200, second.content)
        assert second.headers["idempotent-replayed"] == "true"
        assert len(httpx.get(books).json()["settlements"]) == 1
        assert len(ledger.read_text().splitlines()) == 1
        assert '"settled":true' in log.read_text()
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert nothing_is_left(started, tmp_path)


# A terminal sends its signals to the whole group, `kill` to one process.
@pytest.mark.parametrize(
    ("send", "number"),
    [
        (os.killpg, signal.SIGINT),
        (os.killpg, signal.SIGHUP),
        (os.kill, signal.SIGTERM),
        (os.kill, signal.SIGQUIT),
    ],
)
def test_a_signal_that_ends_the_demo_ends_all_of_it(
    send: Callable[[int, int], None], number: signal.Signals, tmp_path: Path
) -> None:
    with demo("serve", files=tmp_path) as process:
        read_until("Ctrl-C", process)
        started = descendants(process.pid)
        send(process.pid, number)
        assert process.wait(20) == 0
        assert nothing_is_left(started, tmp_path)


@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_story_that_is_interrupted_leaves_nothing(
    send: Callable[[int, int], None], tmp_path: Path
) -> None:
    with demo(files=tmp_path) as process:
        read_until("Fifty", process)
        started = descendants(process.pid)
        send(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        assert nothing_is_left(started, tmp_path)


def test_a_demo_that_is_interrupted_while_it_starts_leaves_nothing(
    tmp_path: Path,
) -> None:
    with demo(files=tmp_path) as process:
        while not list(tmp_path.glob("*/*.zip")):  # the first thing that it makes
            assert process.poll() is None
        started = descendants(process.pid)
        process.terminate()
        assert process.wait(20) != 0
        assert nothing_is_left(started, tmp_path)


def test_serve_on_a_port_in_use_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = subprocess.run(
            [*COMMAND, "serve", "--port", port],
            env=os.environ | {"TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"sample_origin: Port {port} cannot be used")
    assert len(failed.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_step_that_does_not_hold_ends_the_story(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def broken(story: Story) -> None:
        """A promise"""
        story.require_added(effects=1, settlements=0)

    with running() as machine:
        assert await play(machine, [no_payment])
        assert not await play(machine, [broken, no_payment])
    told = capsys.readouterr().out
    assert "DOES NOT HOLD: expected 1 and 0 more, not 0 and 0" in told
    assert told.count("Without a payment") == 1


async def test_an_answer_with_another_status_does_not_hold() -> None:
    with running() as machine:
        async with httpx.AsyncClient(base_url=machine.cloudfront.url) as http:
            with pytest.raises(StepError, match="expected 200"):
                await Story(machine, http).ask(200, "GET", "/api/joke")
