"""The command line, as a person meets it."""

import json
import stat
import sys
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.build import RUNTIME

REPOSITORY = Path(__file__).parents[2]
URL, KEY = "https://example.org/x402", "nf_live_SECRETKEY"
ENVIRONMENT = {"NEXFLOW_FACILITATOR_URL": URL, "NEXFLOW_API_KEY": KEY}
TOOLS = {"__main__.py", "build.py", "routes_file.py"}

Captured = pytest.CaptureFixture[str]


def build(
    output: Path,
    environment: Mapping[str, str] = ENVIRONMENT,
    routes: Path = REPOSITORY / "routes.toml",
) -> int:
    arguments = ["build", "--routes", str(routes), "--output", str(output)]
    return main(arguments, environment)


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


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("NEXFLOW_FACILITATOR_URL", None, "is not set. Set it"),
        ("NEXFLOW_FACILITATOR_URL", "", "is not set. Set it"),
        ("NEXFLOW_FACILITATOR_URL", "example.org", "must start with https://"),
        ("NEXFLOW_FACILITATOR_URL", "ftp://example.org", "must start with https://"),
        ("NEXFLOW_FACILITATOR_URL", "https://", "must start with https://"),
        ("NEXFLOW_FACILITATOR_URL", "https://[", "is not a URL"),
        ("NEXFLOW_FACILITATOR_URL", "https://u:p@example.org", "credentials"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org\n", "space or a control"),
        ("NEXFLOW_FACILITATOR_URL", f"https://{'a' * 70}.org", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "http://example.org", "Use https://"),
        ("NEXFLOW_FACILITATOR_URL", "http://127.0.0.1.evil.org", "Use https://"),
        ("NEXFLOW_API_KEY", None, "is not set. Set it"),
        ("NEXFLOW_API_KEY", "", "is not set. Set it"),
        ("NEXFLOW_API_KEY", "SECRETKEY", "starts with nf_live_ or nf_test_"),
        ("NEXFLOW_API_KEY", "nf_live_", "starts with nf_live_ or nf_test_"),
        ("NEXFLOW_API_KEY", "nf_live_SECRETKEY\n", "space or a control"),
        ("NEXFLOW_API_KEY", "nf_live_SECRETKEYä", "space or a control"),
    ],
)
def test_a_setting_that_is_missing_or_malformed_is_refused(
    tmp_path: Path, capsys: Captured, name: str, value: str | None, hint: str
) -> None:
    others = {other: ENVIRONMENT[other] for other in ENVIRONMENT if other != name}
    environment = others if value is None else {**others, name: value}
    assert build(tmp_path / "a.zip", environment) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"edge build: {name}")
    assert hint in said.err
    assert "SECRETKEY" not in said.err + said.out
    assert list(tmp_path.iterdir()) == []


def test_missing_routes_are_refused(tmp_path: Path, capsys: Captured) -> None:
    assert build(tmp_path / "a.zip", routes=tmp_path / "none.toml") == 2
    assert "none.toml does not exist. Write one" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: Captured
) -> None:
    assert build(tmp_path / "none" / "a.zip") == 2
    assert "Name another with --output" in capsys.readouterr().err
    assert build(tmp_path) == 2
    assert list(tmp_path.parent.glob("*~")) == []


def test_a_refused_build_leaves_the_last_bundle_alone(tmp_path: Path) -> None:
    output = tmp_path / "a.zip"
    build(output)
    before = output.read_bytes()
    build(output, {})
    assert output.read_bytes() == before
    assert list(tmp_path.iterdir()) == [output]


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


def test_no_command_is_refused(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as refused:
        main([], {})
    assert refused.value.code == 2
    assert "command" in capsys.readouterr().err
