"""What is in the zip, what is said about it, and how it is written."""

import ast
import json
import runpy
import stat
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.build.source import lean
from edge.build.zip import RUNTIME, write_whole
from tests.edge.commands import (
    ACCEPTED,
    ENVIRONMENT,
    KEY,
    REPOSITORY,
    SIGNING,
    STANDARD,
    URL,
    Captured,
    build,
)

SECRET = SIGNING["EDGE_SIGNING_SECRET"]
ROUTES = REPOSITORY / "routes.toml"
CODE = [file.name for file in RUNTIME.glob("*.py")]
UNSIGNED = {name: ENVIRONMENT[name] for name in ENVIRONMENT if name not in SIGNING}


def test_the_zip_holds_the_run_time_files_the_entry_and_the_settings(
    tmp_path: Path,
) -> None:
    output = tmp_path / "lambda-edge.zip"
    assert build(output) == 0
    with zipfile.ZipFile(output) as archive:
        names = archive.namelist()
        assert names == sorted(
            [*(f"edge/{name}" for name in CODE), "edge/settings.json", "handler.py"]
        )
        for name in CODE:
            source = REPOSITORY / "edge" / "runtime" / name
            assert archive.read(f"edge/{name}") == lean(source.read_text()).encode()
        settings = json.loads(archive.read("edge/settings.json"))
    network = "eip155:8453"
    assert settings == {
        "facilitatorUrl": URL,
        "apiKey": KEY,
        "settle": "delivered",
        "refused": "deliver",
        "shortestIntent": 10.0,
        "longestIntent": 43200.0,
        "allowedOrigins": [],
        "routes": [
            {"path": "/api/joke", "network": network, "resourceId": "joke-endpoint"},
            {"path": "/premium/*", "network": network, "resourceId": "premium"},
        ],
        "signing": [{"keyId": "2026-02", "secret": SECRET}],
    }


def test_every_file_that_the_handler_loads_is_in_the_zip_and_no_other() -> None:
    """A tool that gets into the folder would be in the zip as well."""
    found = {"__init__", "handler"}
    unread = ["handler"]
    while unread:
        source = (RUNTIME / f"{unread.pop()}.py").read_text()
        named = set(relative_imports(ast.parse(source)))
        unread += named - found
        found |= named
        unread = [name for name in unread if name != "x402"]  # a folder of its own
    assert {f"{name}.py" for name in found - {"x402"}} == set(CODE)


def relative_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [n.name for n in node.names]
            yield from (name.partition(".")[0] for name in names)


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


def test_only_a_standard_gate_carries_what_speaks_to_a_standard_facilitator(
    tmp_path: Path,
) -> None:
    build(tmp_path / "nexflow.zip")
    (tmp_path / "routes.toml").write_text(STANDARD)
    environment = {"X402_FACILITATOR_URL": URL} | SIGNING
    routes = tmp_path / "routes.toml"
    output = tmp_path / "x402.zip"
    assert build(output, environment, routes, "--offline") == 0
    names = {}
    for kind in ("nexflow", "x402"):
        with zipfile.ZipFile(tmp_path / f"{kind}.zip") as archive:
            names[kind] = {name for name in archive.namelist() if is_of_one(name)}
    standard = {f"edge/x402/{file.name}" for file in RUNTIME.glob("x402/*.py")}
    assert names == {"nexflow": {"edge/nexflow.py"}, "x402": standard}
    assert output.stat().st_size <= 40 * 1024


def is_of_one(name: str) -> bool:
    return "/x402/" in name or name == "edge/nexflow.py"


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
    assert "signs with  2026-02" in said.out
    assert KEY not in said.out
    assert SECRET not in said.out


def test_a_build_names_the_signing_key_that_is_accepted_too(
    tmp_path: Path, capsys: Captured
) -> None:
    assert build(tmp_path / "a.zip", ENVIRONMENT | ACCEPTED) == 0
    said = capsys.readouterr()
    assert "accepts     2026-01" in said.out
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        keys = json.loads(archive.read("edge/settings.json"))["signing"]
    assert [key["keyId"] for key in keys] == ["2026-02", "2026-01"]
    for key in keys:
        assert key["secret"] not in said.out + said.err


def test_a_gate_that_does_not_sign_builds_with_a_warning(
    tmp_path: Path, capsys: Captured
) -> None:
    assert build(tmp_path / "a.zip", UNSIGNED) == 0
    said = capsys.readouterr()
    (warning,) = said.err.splitlines()
    assert warning.startswith("warning: EDGE_SIGNING_SECRET is not set")
    assert "openssl rand -hex 32" in warning
    assert "signs with" not in said.out


def test_a_test_key_is_refused_for_a_real_facilitator(
    tmp_path: Path, capsys: Captured
) -> None:
    environment = ENVIRONMENT | {"NEXFLOW_API_KEY": "nf_test_SECRETKEY"}
    assert build(tmp_path / "a.zip", environment) == 2
    said = capsys.readouterr().err
    assert "NEXFLOW_API_KEY is a test key" in said
    assert "say --allow-test-key" in said
    assert "SECRETKEY" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_test_key_that_is_meant_builds_with_a_warning(
    tmp_path: Path, capsys: Captured
) -> None:
    environment = ENVIRONMENT | {"NEXFLOW_API_KEY": "nf_test_SECRETKEY"}
    assert build(tmp_path / "a.zip", environment, ROUTES, "--allow-test-key") == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: NEXFLOW_API_KEY is a test key")
    assert "SECRETKEY" not in warning


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:9", "127.0.0.2"])
@pytest.mark.parametrize("key", ["nf_live_a", "nf_test_a"])
def test_a_facilitator_on_this_machine_builds_with_a_warning(
    tmp_path: Path, capsys: Captured, host: str, key: str
) -> None:
    """And takes any key: it sells nothing."""
    environment = ENVIRONMENT | {
        "NEXFLOW_FACILITATOR_URL": f"http://{host}/x",
        "NEXFLOW_API_KEY": key,
    }
    assert build(tmp_path / "a.zip", environment) == 0
    said = capsys.readouterr().err
    assert "warning: NEXFLOW_FACILITATOR_URL is this machine" in said


def test_a_warning_names_the_variable_of_a_standard_facilitator(
    tmp_path: Path, capsys: Captured
) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text(STANDARD)
    environment = SIGNING | {"X402_FACILITATOR_URL": "https://10.0.0.5/x"}
    assert build(tmp_path / "a.zip", environment, routes, "--offline") == 0
    said = capsys.readouterr().err
    assert "warning: X402_FACILITATOR_URL is a private address" in said


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are Unix")
def test_a_bundle_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    """There is a key in it."""
    build(tmp_path / "a.zip")
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600


def test_help_names_what_must_be_set(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["build", "--help"], {})
    said = capsys.readouterr().out
    words = ("--routes", "--output", "--allow-test-key", "handler.handler")
    for word in (*ENVIRONMENT, *ACCEPTED, *words):
        assert word in said


def test_it_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.argv", ["edge", "--help"])
    monkeypatch.delitem(sys.modules, "edge.__main__")
    with pytest.raises(SystemExit) as left:
        runpy.run_module("edge", run_name="__main__")
    assert left.value.code == 0
    assert "build" in capsys.readouterr().out


def test_a_file_is_replaced_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(b"before")
    write_whole(b"after", file)
    assert file.read_bytes() == b"after"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_what_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "a.zip"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(b"after", folder)
    assert [*tmp_path.iterdir()] == [folder]
