"""The zip as Lambda runs it: unpacked, in an interpreter that knows nothing else."""

import ast
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.build.environment import Secrets
from edge.build.routes_file import RoutesFile
from edge.build.zip import RUNTIME, build
from tests.edge.examples import KEY, PROOF, ROUTES
from tests.support.cloudfront_events import (
    Event,
    origin_response,
    response_of,
    values,
    viewer_request,
)
from tests.support.scripted_facilitator import ScriptedFacilitator, answer

# Lambda loads `handler.handler` and gives it a context; so does this.
RUNTIME_OF_LAMBDA = """
import json, sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
from handler import handler
loaded = sorted(set(sys.modules) - before)
class Context:
    def get_remaining_time_in_millis(self): return 5000
returned = [handler(event, Context()) for event in json.load(sys.stdin)]
with open(sys.argv[2], "w") as file:
    json.dump({"loaded": loaded, "returned": returned}, file)
"""

# Every import is paid for at each cold start. ssl is most of it.
MAY_IMPORT = {
    *("binascii", "collections", "collections.abc", "datetime", "hmac", "json"),
    *("os.path", "socket", "ssl", "_thread", "time"),
    *("errno", "os", "select"),  # which socket loads
    *("hashlib", "re"),  # which hmac and json load
}
TOO_SLOW = {
    *("argparse", "asyncio", "contextlib", "dataclasses", "email", "http", "inspect"),
    *("ipaddress", "logging", "pathlib", "secrets", "threading", "tomllib", "typing"),
    *("unittest", "urllib", "zipfile"),
}


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedFacilitator]:
    with ScriptedFacilitator() as facilitator:
        yield facilitator


@pytest.fixture(scope="module")
def unpacked(
    scripted: ScriptedFacilitator, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("task")
    bundle = build(Secrets(scripted.url, KEY), RoutesFile(ROUTES, "delivered"))
    (folder / "bundle.zip").write_bytes(bundle.content)
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        archive.extractall(folder / "code")
    return folder


def run(unpacked: Path, events: list[Event]) -> tuple[dict[str, Any], str]:
    results = unpacked / "results.json"
    # The connection that is kept for the next invocation is still open at the end.
    strict = ["-I", "-B", "-W", "error", "-W", "ignore::ResourceWarning"]
    done = subprocess.run(
        [
            sys.executable,
            *strict,
            "-c",
            RUNTIME_OF_LAMBDA,
            str(unpacked / "code"),
            str(results),
        ],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(results.read_text()), done.stdout


def test_the_whole_flow_from_the_zip(
    unpacked: Path, scripted: ScriptedFacilitator
) -> None:
    scripted.asked.clear()
    scripted.will(answer(200, {"valid": False, "reason": "missing_payment_header"}))
    forwarded = {"x-settlement-intent-id": "intent-1"}
    events = [
        viewer_request("/api/joke"),
        viewer_request("/api/joke", headers={"x402-payment": PROOF}),
        origin_response("/api/joke", "200", headers=forwarded),
        origin_response("/api/joke", "503", headers=forwarded),
        viewer_request("/health", headers={"x-settlement-intent-id": "forged"}),
        viewer_request("/api/%6Aoke"),
    ]
    results, log = run(unpacked, events)
    unpaid, paid, delivered, failed, free, ambiguous = results["returned"]

    assert (unpaid["status"], ambiguous["status"]) == ("402", "400")
    assert values(paid["headers"])["x-settlement-intent-id"] == ["intent-1"]
    assert "x-settlement-intent-id" not in free["headers"]
    assert delivered == response_of(events[2])
    assert failed == response_of(events[3])

    lines = [json.loads(line) for line in log.splitlines()]
    kinds = ["verify", "verify", "settle", "settle_skipped"]
    assert [line["eventType"] for line in lines] == kinds
    assert [asked.path for asked in scripted.asked] == [
        "/x402/verify",
        "/x402/verify",
        "/x402/settle",
    ]
    assert scripted.connections == 1, "kept from one invocation to the next"
    assert PROOF not in log
    assert KEY not in log


def test_a_bundle_without_its_settings_still_answers(unpacked: Path) -> None:
    settings = unpacked / "code" / "edge" / "settings.json"
    text = settings.read_text()
    settings.unlink()
    try:
        results, _ = run(unpacked, [viewer_request(), origin_response()])
    finally:
        settings.write_text(text)
    refused, response = results["returned"]
    assert refused["status"] == "500"
    assert response == response_of(origin_response())


def test_the_bundle_loads_the_standard_library_only(unpacked: Path) -> None:
    results, _ = run(unpacked, [])
    names = {name.partition(".")[0] for name in results["loaded"]}
    assert names <= sys.stdlib_module_names | {"edge", "handler"}


def test_the_bundle_loads_nothing_slow(unpacked: Path) -> None:
    results, _ = run(unpacked, [])
    assert TOO_SLOW.isdisjoint(results["loaded"])


@pytest.mark.parametrize(
    "file", sorted(RUNTIME.rglob("*.py")), ids=lambda file: file.name
)
def test_a_run_time_file_imports_what_is_on_the_list(file: Path) -> None:
    assert set(imported(ast.parse(file.read_text()))) <= MAY_IMPORT


def imported(tree: ast.Module) -> Iterator[str]:
    """Our own modules are relative imports and do not count."""
    for node in at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def at_run_time(tree: ast.Module) -> Iterator[ast.AST]:
    """Without what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING"), orelse=otherwise):
                yield from (inner for part in otherwise for inner in ast.walk(part))
            case _:
                yield from ast.walk(node)
