"""The paid API by itself, as `uvicorn sample_origin.app:app` runs it."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from origin_middleware import MemoryStore
from sample_origin import environment
from sample_origin.app import create_app
from sample_origin.ledger import Ledger
from sample_origin.processes import free_port

PAID = {"x-settlement-intent-id": "intent-1"}
TEA = {"topic": "tea"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
async def http(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(MemoryStore(), ledger)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_paid_report_is_one_row(
    http: httpx.AsyncClient, ledger: Ledger
) -> None:
    first = await http.post("/premium/report", json=TEA, headers=PAID)
    second = await http.post("/premium/report", json=TEA, headers=PAID)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    (row,) = ledger.rows()
    assert row["intent"] == "intent-1"
    assert row["serial"] == first.json()["serial"]


async def test_without_an_intent_paid_routes_are_closed(
    http: httpx.AsyncClient, ledger: Ledger
) -> None:
    """Calling the origin directly is not free, whatever the path."""
    for path in ("/api/joke", "/premium/report", "/nowhere", "/health/"):
        assert (await http.post(path, json=TEA)).json()["code"] == "key-missing"
    assert ledger.rows() == []


async def test_health_is_free(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health")).json() == {"status": "ok", "intent": None}


@pytest.mark.parametrize("name", ["seconds", "before"])
@pytest.mark.parametrize("seconds", ["x", "-1", "61", "nan"])
async def test_bad_input_is_400_and_costs_nothing(
    http: httpx.AsyncClient, ledger: Ledger, seconds: str, name: str
) -> None:
    answer = await http.get("/api/joke", params={name: seconds}, headers=PAID)
    assert answer.status_code == 400
    assert "from 0 to 60" in answer.text
    for content in (b"", b"tea", b"[]", b'{"topic": 1}', b"\xff"):
        bad = await http.post(
            "/premium/report",
            content=content,
            headers={"x-settlement-intent-id": "other"},
        )
        assert bad.status_code in (400, 422)
    assert ledger.rows() == []


async def test_an_outage_is_503_and_the_retry_succeeds(
    http: httpx.AsyncClient, ledger: Ledger
) -> None:
    ledger.outage.touch()
    assert (await http.get("/api/joke", headers=PAID)).status_code == 503
    ledger.outage.unlink()
    assert (await http.get("/api/joke", headers=PAID)).status_code == 200
    assert len(ledger.rows()) == 1


@contextmanager
def uvicorn(tmp_path: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    unwanted = ("REDIS_URL", "EDGE_SIGNING_")
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted)
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "sample_origin.app:app", "--port", "0"],
        env=clean | {"LEDGER": str(tmp_path / "ledger.jsonl")} | environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def test_without_redis_url_it_runs_and_says_what_that_means(tmp_path: Path) -> None:
    with uvicorn(tmp_path) as process:
        assert process.stderr is not None
        told = ""
        while not (found := re.search(r"running on (http://\S+)", told)):
            told += process.stderr.readline()
        assert "REDIS_URL is not set" in told
        assert "other workers do not see them" in told
        assert httpx.get(f"{found[1]}/health").status_code == 200


def test_an_unreachable_redis_url_is_said_at_the_start(tmp_path: Path) -> None:
    port = free_port()
    with uvicorn(
        tmp_path, REDIS_URL=f"redis://user:secret@127.0.0.1:{port}"
    ) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "The server of REDIS_URL cannot be reached." in told
    assert f"127.0.0.1:{port}" in told
    assert "unset REDIS_URL" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REDIS_URL", "localhost:6379", "REDIS_URL is malformed"),
        ("REDIS_URL", "redis://:password/@h:1", "REDIS_URL is malformed"),
        ("LEASE", "abc", "LEASE=abc: give a number of seconds"),
        ("LEASE", "86400", "LEASE=86400: give a number of seconds"),
        (
            "LEDGER",
            "/nonexistent/ledger",
            "LEDGER=/nonexistent/ledger cannot be written",
        ),
        ("LEDGER", "/", "LEDGER=/ cannot be written"),
        (
            "EDGE_SIGNING_SECRET",
            "a password that is long enough to sign",
            "EDGE_SIGNING_SECRET and EDGE_SIGNING_KEY_ID: set both, or neither",
        ),
        (
            "EDGE_SIGNING_ACCEPTED_KEY_ID",
            "2026-01",
            "EDGE_SIGNING_ACCEPTED_SECRET and EDGE_SIGNING_ACCEPTED_KEY_ID: set both",
        ),
    ],
)
def test_a_variable_that_cannot_work_is_named_in_one_line(
    tmp_path: Path, variable: str, value: str, said: str
) -> None:
    with uvicorn(tmp_path, **{variable: value}) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode != 0
    assert told.startswith(said)
    assert len(told.splitlines()) == 1
    assert "password" not in told


def test_a_signing_secret_that_is_too_short_is_named_and_not_shown(
    tmp_path: Path,
) -> None:
    short = {"EDGE_SIGNING_SECRET": "password", "EDGE_SIGNING_KEY_ID": "demo"}
    with uvicorn(tmp_path, **short) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode != 0
    assert told.startswith("EDGE_SIGNING_SECRET: make one with `openssl rand -hex 32`")
    assert "password" not in told


def test_every_secret_that_is_set_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("EDGE_SIGNING_SECRET", "EDGE_SIGNING_KEY_ID")
    accepted = ("EDGE_SIGNING_ACCEPTED_SECRET", "EDGE_SIGNING_ACCEPTED_KEY_ID")
    for name in (*names, *accepted):
        monkeypatch.setenv(name, "")
    assert environment.signing_secrets() == {}
    monkeypatch.setenv(names[0], "n" * 32)
    monkeypatch.setenv(names[1], "new")
    monkeypatch.setenv(accepted[0], "o" * 32)
    monkeypatch.setenv(accepted[1], "old")
    secrets = {"new": b"n" * 32, "old": b"o" * 32}
    assert environment.signing_secrets() == secrets
