"""One run: the server, a process for every row, the rounds, and the examination."""

import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import machine
from benchmarks.app import Ground, Row
from benchmarks.examination import Examination
from benchmarks.measures import Effort
from benchmarks.process import NoAnswer, Process, running_row
from benchmarks.results import Meta, Noise, Results, RowInfo
from benchmarks.rounds import ControlFailed, Rounds
from benchmarks.server import Server, running_server

Say = Callable[[str], None]

_PACKAGES = ("origin-middleware", "redis", "hiredis", "starlette", "fastapi")


def run(
    rows: Sequence[Row], effort: Effort, binary: Path, log: Path, say: Say
) -> Results:
    """`log` gets what the rows print. Raises ControlFailed and NoServerError."""
    begun = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(machine.awake())
        server = stack.enter_context(running_server(binary))
        results = _empty(rows, effort, server)
        able_to_run = rows
        others: dict[Ground, Server] = {}
        if any(row.ground == "redis-server" for row in rows):
            if installed := shutil.which("redis-server"):
                other = stack.enter_context(running_server(Path(installed)))
                others["redis-server"] = other
                results["meta"]["redis_server"] = other.version()
            else:
                able_to_run = [row for row in rows if _does_without(row, results)]

        def start(row: Row, core: Sequence[int]) -> Process:
            starting = running_row(row, others.get(row.ground, server), core, log)
            return stack.enter_context(starting)

        processes = [start(row, machine.row_core()) for row in able_to_run]
        able = [process for process in processes if _is_built(process, results)]
        say(f"{len(able)} rows are ready")

        def second(of: Process) -> AbstractContextManager[Process]:
            return running_row(of.row, of.server, machine.second_row_core(), log)

        for done in Rounds(able, effort, results).run():
            say(done)
        for done in Examination(able, second, effort, results).run():
            say(done)
    results["meta"]["seconds"] = round(time.monotonic() - begun, 1)
    return results


def _does_without(row: Row, results: Results) -> bool:
    if row.ground != "redis-server":
        return True
    failures = results["failures"].setdefault("start", {})
    failures[row.name] = "redis-server is not installed on this machine"
    return False


def _is_built(process: Process, results: Results) -> bool:
    try:
        process.answer()
    except NoAnswer as exc:
        if process.row.kind == "control":
            raise ControlFailed(f"{process.row.name}: {exc}") from exc
        results["failures"].setdefault("start", {})[process.row.name] = str(exc)
        return False
    return True


def _empty(rows: Sequence[Row], effort: Effort, server: Server) -> Results:
    return Results(
        meta=_meta(effort, server),
        rows={row.name: _info(row) for row in rows},
        rounds={},
        storms={},
        wake_ups={},
        records={},
        verdicts={},
        failures={},
    )


def _meta(effort: Effort, server: Server) -> Meta:
    return Meta(
        date=time.strftime("%Y-%m-%d"),
        effort=asdict(effort),
        machine=f"{machine.processor()}, {platform.system()}",
        cores=os.cpu_count() or 1,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        server=server.version(),
        redis_server="",
        packages={name: _version(name) for name in _PACKAGES},
        seconds=0.0,
        noise=Noise(blocks=0, repeated=0, disturbed=0),
    )


def _info(row: Row) -> RowInfo:
    package = row.distribution
    return RowInfo(
        kind=row.kind,
        ground=row.ground,
        how=row.how,
        package=f"{package} {_version(package)}" if package else "",
        bare=row.bare,
        floor=row.floor,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
