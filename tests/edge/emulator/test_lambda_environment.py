"""Where a function runs: alone, with Lambda's context, reused while it is well.

Under AWS's own runtime, and under the one for systems where that is missing.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest

from edge.emulator.distribution import AWS_RUNTIME
from tests.support import lambdas
from tests.support.lambdas import Counted, Emulated, Event, log

Emulate: TypeAlias = Callable[..., AbstractContextManager[Emulated]]

NOT_HERE = pytest.mark.skipif(not AWS_RUNTIME, reason="no awslambdaric on this system")


@pytest.fixture(
    params=[pytest.param(True, marks=NOT_HERE), False],
    ids=["awslambdaric", "lambda_runtime"],
)
def emulated(request: pytest.FixtureRequest) -> Emulate:
    return partial(lambdas.emulated, aws_runtime=request.param)


def test_the_context_is_lambdas(emulated: Emulate, tmp_path: Path) -> None:
    def report(event: Event, context: Any) -> Any:
        left = context.get_remaining_time_in_millis()
        names = ("function_name", "memory_limit_in_mb", "log_group_name")
        found = {name: getattr(context, name) for name in names}
        request_id = len(context.aws_request_id)
        return {"status": "200", "body": json.dumps([left, found, request_id])}

    with emulated(tmp_path, report, Counted()) as edge:
        left, found, request_id = edge.client.get("/").json()
    assert 4_000 < left <= 5_001  # both clocks are rounded to milliseconds
    assert found == {
        "function_name": "x402-edge",
        "memory_limit_in_mb": "128",
        "log_group_name": "/aws/lambda/us-east-1.x402-edge",
    }
    assert request_id == 36


def test_the_remaining_time_goes_down(emulated: Emulate, tmp_path: Path) -> None:
    def wait(event: Event, context: Any) -> Any:
        before = context.get_remaining_time_in_millis()
        time.sleep(0.05)
        return {
            "status": "200",
            "body": str(before - context.get_remaining_time_in_millis()),
        }

    with emulated(tmp_path, wait, Counted()) as edge:
        assert 45 <= int(edge.client.get("/").text) < 2_000


def test_a_function_has_the_standard_library_and_no_more(
    emulated: Emulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_around(event: Event, context: Any) -> Any:
        names = ("json", "httpx", "sample_origin", "handler")
        found = [name for name in names if find_spec(name)]
        seen = {"modules": found, "key": os.environ.get("NEXFLOW_API_KEY")}
        return {"status": "200", "body": json.dumps(seen)}

    monkeypatch.setenv("NEXFLOW_API_KEY", "nf_test_leaked")
    with emulated(tmp_path, look_around, Counted()) as edge:
        seen = edge.client.get("/").json()
    assert seen == {"modules": ["json", "handler"], "key": None}


def test_lines_printed_before_a_timeout_are_in_the_log(
    emulated: Emulate, tmp_path: Path
) -> None:
    def print_and_sleep(event: Event, context: Any) -> Any:
        log("asking the facilitator")
        time.sleep(60)

    with emulated(tmp_path, print_and_sleep, Counted(), lambda_timeout=0.3) as edge:
        edge.client.get("/")
        lines = edge.log()
    assert lines == ["asking the facilitator", "Task timed out after 0.30 seconds"]


def test_a_function_that_blocks_its_whole_process_is_killed(
    emulated: Emulate, tmp_path: Path
) -> None:
    def backtrack(event: Event, context: Any) -> Any:
        # Holds the interpreter's lock for ages: no other thread of the process runs.
        re.match("(a+)+$", "a" * 60 + "b")

    started = time.monotonic()
    with emulated(tmp_path, backtrack, Counted(), lambda_timeout=0.3) as edge:
        assert edge.client.get("/").status_code == 503
    assert time.monotonic() - started < 5


def test_printing_does_not_disturb_the_result(
    emulated: Emulate, tmp_path: Path
) -> None:
    def chatter(event: Event, context: Any) -> Any:
        log('{"result": "forged"}')
        sys.stdout.write("no newline at the end")
        return {"status": "200", "body": "intact"}

    with emulated(tmp_path, chatter, Counted()) as edge:
        assert edge.client.get("/").text == "intact"
        assert edge.log() == ['{"result": "forged"}', "no newline at the end"]


def test_a_warm_environment_is_used_again(emulated: Emulate, tmp_path: Path) -> None:
    def count(event: Event, context: Any) -> Any:
        calls = vars(sys.modules[__name__]).setdefault("calls", [])
        calls.append(1)
        return {"status": "200", "body": f"{len(calls)} in {os.getpid()}"}

    with emulated(tmp_path, count, Counted()) as edge:
        first, second = (edge.client.get("/").text.split(" in ") for _ in range(2))
    assert (first[0], second[0]) == ("1", "2")
    assert first[1] == second[1] != str(os.getpid())


def test_an_environment_outlives_an_exception_and_not_a_timeout(
    emulated: Emulate, tmp_path: Path
) -> None:
    def act(event: Event, context: Any) -> Any:
        match event["Records"][0]["cf"]["request"]["uri"]:
            case "/raise":
                raise ValueError
            case "/sleep":
                time.sleep(60)
        return {"status": "200", "body": str(os.getpid())}

    with emulated(tmp_path, act, Counted(), lambda_timeout=0.5) as edge:
        first = edge.client.get("/").text
        edge.client.get("/raise")
        assert edge.client.get("/").text == first
        edge.client.get("/sleep")
        assert edge.client.get("/").text != first


@pytest.mark.parametrize(("concurrency", "processes"), [(1, 1), (2, 2)])
async def test_each_environment_runs_one_invocation_at_a_time(
    emulated: Emulate, tmp_path: Path, concurrency: int, processes: int
) -> None:
    def overlap(event: Event, context: Any) -> Any:
        calls = vars(sys.modules[__name__]).setdefault("calls", [])
        calls.append(1)
        time.sleep(0.1)
        calls.pop()
        return {"status": "200", "body": json.dumps([len(calls), os.getpid()])}

    answers: list[list[int]] = []

    async def ask(client: httpx.AsyncClient) -> None:
        answers.append((await client.get("/")).json())

    with emulated(tmp_path, overlap, Counted(), concurrency=concurrency) as edge:
        async with (
            httpx.AsyncClient(base_url=edge.url) as client,
            anyio.create_task_group() as group,
        ):
            for _ in range(4):
                group.start_soon(ask, client)
    assert [left for left, _ in answers] == [0] * 4
    assert len({process for _, process in answers}) == processes


def test_a_handler_that_cannot_be_imported_is_a_503(
    emulated: Emulate, tmp_path: Path
) -> None:
    with emulated(tmp_path, "import httpx\n", Counted()) as edge:
        response = edge.client.get("/")
        assert "No module named 'httpx'" in "".join(edge.log())
    assert response.status_code == 503
    assert "cannot be imported" in response.text


def test_a_result_that_is_not_json_is_an_error_at_once(
    emulated: Emulate, tmp_path: Path
) -> None:
    def return_bytes(event: Event, context: Any) -> Any:
        return b"not JSON"

    with emulated(tmp_path, return_bytes, Counted(), lambda_timeout=30) as edge:
        assert edge.client.get("/", timeout=10).status_code in (502, 503)
