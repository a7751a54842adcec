"""What is in the zip, and what is said about it."""

import json
import runpy
import stat
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.build import RUNTIME, Secrets
from tests.edge.commands import ENVIRONMENT, KEY, REPOSITORY, URL, Captured, build

TOOLS = {"__main__.py", "build.py", "routes_file.py"}


def test_the_zip_holds_the_run_time_files_the_entry_and_the_settings(
    tmp_path: Path,
) -> None:
    output = tmp_path / "lambda-edge.zip"
    assert build(output) == 0
    with zipfile.ZipFile(output) as archive:
        names = archive.namelist()
        assert names == sorted(
            [*(f"edge/{name}" for name in RUNTIME), "edge/settings.json", "handler.py"]
        )
        for name in RUNTIME:
            source = REPOSITORY / "edge" / name
            assert archive.read(f"edge/{name}") == source.read_bytes()
        settings = json.loads(archive.read("edge/settings.json"))
    network = "eip155:8453"
    assert settings == {
        "facilitatorUrl": URL,
        "apiKey": KEY,
        "settle": "delivered",
        "routes": [
            {"path": "/api/joke", "network": network, "resourceId": "joke-endpoint"},
            {"path": "/premium/*", "network": network, "resourceId": "premium"},
        ],
    }


def test_every_file_of_the_package_is_either_run_time_or_tool() -> None:
    """One that is in neither list would be missing at the edge."""
    files = {file.name for file in (REPOSITORY / "edge").glob("*.py")}
    assert files - TOOLS == set(RUNTIME)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    build(first)
    build(second)
    assert first.read_bytes() == second.read_bytes()


def test_nothing_in_the_zip_depends_on_the_machine(tmp_path: Path) -> None:
    build(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr >> 16 == stat.S_IFREG | 0o644
            assert info.create_system == 3


def test_the_zip_is_small(tmp_path: Path) -> None:
    build(tmp_path / "a.zip")
    assert (tmp_path / "a.zip").stat().st_size <= 40 * 1024


def test_a_build_says_what_is_inside_and_not_the_key(
    tmp_path: Path, capsys: Captured
) -> None:
    output = tmp_path / "a.zip"
    build(output)
    said = capsys.readouterr()
    assert said.err == ""
    assert "edge/gate.py" in said.out
    assert f"{output.stat().st_size:,}" in said.out
    assert sha256(output.read_bytes()).hexdigest() in said.out
    assert KEY not in said.out


def test_a_test_key_builds_with_a_warning(tmp_path: Path, capsys: Captured) -> None:
    environment = ENVIRONMENT | {"NEXFLOW_API_KEY": "nf_test_SECRETKEY"}
    assert build(tmp_path / "a.zip", environment) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: NEXFLOW_API_KEY is a test key")
    assert "SECRETKEY" not in warning


def test_a_facilitator_on_this_machine_builds_with_a_warning(
    tmp_path: Path, capsys: Captured
) -> None:
    for host in ("127.0.0.1:9", "localhost", "[::1]:9"):
        environment = ENVIRONMENT | {"NEXFLOW_FACILITATOR_URL": f"http://{host}/x"}
        assert build(tmp_path / "a.zip", environment) == 0
        (warning,) = capsys.readouterr().err.splitlines()
        assert warning.startswith("warning: NEXFLOW_FACILITATOR_URL is this machine")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are Unix")
def test_a_bundle_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    """There is a key in it."""
    build(tmp_path / "a.zip")
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600


def test_help_names_what_must_be_set(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["build", "--help"], {})
    said = capsys.readouterr().out
    for word in (*ENVIRONMENT, "--routes", "--output", "handler.handler"):
        assert word in said


def test_it_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.argv", ["edge", "--help"])
    monkeypatch.delitem(sys.modules, "edge.__main__")
    with pytest.raises(SystemExit) as left:
        runpy.run_module("edge", run_name="__main__")
    assert left.value.code == 0
    assert "build" in capsys.readouterr().out


def test_secrets_do_not_print_the_key() -> None:
    secrets = Secrets(URL, KEY)
    assert KEY not in f"{secrets} {secrets!r}"
