"""python -m edge emulate in front of somebody's own app, with a built bundle.

The app knows nothing of payments or retries. The facilitator is the simulated one.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from sample_origin.facilitator import BASE_PATH, create_app
from tests.support.running import command, first_line, serving

ROUTES = """
[[route]]
path = "/fortunes/*"
network = "eip155:8453"
resource_id = "fortune"
"""
PAID = {"x402-payment": "stub-1"}

shop = FastAPI()


@shop.get("/")
def welcome() -> dict[str, str]:
    return {"hello": "visitor"}


@shop.post("/fortunes/{name}", status_code=201)
def fortune(name: str) -> dict[str, str]:
    return {"fortune": f"{name} will pay once"}


@pytest.fixture
def facilitator() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def bundle(tmp_path: Path, facilitator: str) -> Path:
    routes, output = tmp_path / "routes.toml", tmp_path / "lambda-edge.zip"
    routes.write_text(ROUTES)
    build = [sys.executable, "-m", "edge", "build"]
    subprocess.run(
        [*build, "--routes", str(routes), "--output", str(output)],
        check=True,
        capture_output=True,
        env={
            "NEXFLOW_FACILITATOR_URL": facilitator + BASE_PATH,
            "NEXFLOW_API_KEY": "nf_test_demo",
        },
    )
    return output


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an emulator unpacks the bundle."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


class Emulation:
    """The command at work, a client, and at the end what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.client = httpx.Client(base_url=first_line(process), trust_env=False)
        self.printed = ""


@contextmanager
def emulating(bundle: Path, origin: str) -> Iterator[Emulation]:
    """Ends as with Ctrl-C, which a terminal sends to the whole group."""
    arguments = ("--bundle", bundle, "--origin", origin, "--port", "0")
    with command("-m", "edge", "emulate", *arguments) as process:
        emulation = Emulation(process)
        with emulation.client:
            yield emulation
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        emulation.printed = process.stdout.read()
        assert process.wait(10) == 0


def without_times(printed: str) -> str:
    return re.sub(r"\d+ ms", "0 ms", printed)


def command_lines() -> str:
    """Of all processes: those of a function name the folder of its runtime."""
    ps = shutil.which("ps") or pytest.fail("there is no ps")
    listed = [ps, "-A", "-o", "args"]
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout


def test_what_a_visitor_a_payer_and_a_retry_get(
    bundle: Path, facilitator: str, temporary: Path
) -> None:
    with serving(shop) as origin, emulating(bundle, origin) as emulation:
        ask = emulation.client.request
        assert ask("GET", "/").json() == {"hello": "visitor"}
        unpaid = ask("POST", "/fortunes/ann")
        assert (unpaid.status_code, unpaid.json()["status"]) == (
            402,
            "payment_required",
        )
        first = ask("POST", "/fortunes/ann", headers=PAID)
        again = ask("POST", "/fortunes/ann", headers=PAID)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == {"fortune": "ann will pay once"}
        assert ask("POST", "/fortunes/", headers=PAID).status_code == 404
    ledger = httpx.get(f"{facilitator}/_ledger").json()
    assert ledger["billed"] == 1
    intent = next(iter(ledger["settlements"]))
    about, *requests = re.split(r"(?m)^(?=\S)", without_times(emulation.printed))
    assert f"facilitator  {facilitator}{BASE_PATH}, which is called for real" in about
    assert f"origin       {origin}\n" in about
    assert "paid         /fortunes/*; every other path is free" in about
    paid = f"""\
POST /fortunes/ann → 201, 0 ms
    viewer-request   paid: intent {intent}, fortune (0 ms)
    origin           201 (0 ms)
    origin-response  settled (0 ms)
"""
    assert requests == [
        """\
GET / → 200, 0 ms
    viewer-request   free: passed on (0 ms)
    origin           200 (0 ms)
    origin-response  nothing to settle (0 ms)
""",
        """\
POST /fortunes/ann → 402, 0 ms
    viewer-request   answers 402: missing_payment_header (0 ms)
""",
        paid,
        paid,
        f"""\
POST /fortunes/ → 404, 0 ms
    viewer-request   paid: intent {intent}, fortune (0 ms)
    origin           404 (0 ms)
    origin-response  not settled: origin returned 404 (0 ms)
""",
    ]
    assert list(temporary.iterdir()) == [], "files are left"
    assert str(temporary) not in command_lines(), "a process is left"


def test_an_origin_that_is_not_up_yet(bundle: Path) -> None:
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{later.getsockname()[1]}"
        with emulating(bundle, origin) as emulation:
            assert emulation.client.get("/").status_code == 502
    assert f"{origin}, which does not answer yet (" in emulation.printed
    assert f"{origin} refused the connection: does it run?" in emulation.printed


def test_a_facilitator_that_fails(bundle: Path, facilitator: str) -> None:
    def simulate(**modes: str) -> None:
        httpx.put(f"{facilitator}/_simulate", json=modes).raise_for_status()

    with serving(shop) as origin, emulating(bundle, origin) as emulation:
        simulate(verify="fail")
        assert emulation.client.post("/fortunes/ann", headers=PAID).status_code == 500
        simulate(settle="fail")
        assert emulation.client.post("/fortunes/ann", headers=PAID).status_code == 201
    assert "viewer-request   answers 500: verify answered 500" in emulation.printed
    assert "origin-response  settlement failed: internal_error" in emulation.printed


def test_without_its_packages_it_says_what_installs_them() -> None:
    emulate = ("-m", "edge", "emulate", "--origin", "http://127.0.0.1:1")
    with command("-S", *emulate) as process:  # without site-packages
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout) == (2, "")
    assert "make install" in stderr
    assert stderr.count("\n") == 1
