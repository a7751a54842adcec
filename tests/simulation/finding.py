"""`python -m tests.simulation.finding`: what finds each planted bug. `make plant`

Each bug is planted into a copy of the project, where schedules are played until some
have found it, and the ordinary tests are run until one has. The table is written to
docs/proof.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from . import bugs_in_lua, bugs_in_python
from .bug import Bug
from .schedules import failures

BUGS = (*bugs_in_lua.BUGS, *bugs_in_python.BUGS)

ROOT = Path(__file__).parents[2]
_PAGE = ROOT / "docs" / "proof.md"
_BEGIN, _END = "<!-- planted bugs -->\n", "<!-- end of planted bugs -->\n"

_LEFT_OUT = shutil.ignore_patterns(".*", "dist", "__pycache__")

# Enough to tell how often a bug shows; and so many are played until one shows at all.
_ENOUGH = 10

# The ordinary tests of what the schedules play, the quick ones first.
_STORES, _REQUESTS = "tests/origin_middleware/stores", "tests/origin_middleware"
_TESTS = (
    f"{_STORES}/test_contract.py",
    f"{_STORES}/test_agreement.py",
    f"{_STORES}/test_redis.py",
    f"{_REQUESTS}/test_lifecycle.py",
    f"{_REQUESTS}/test_stalls.py",
    f"{_REQUESTS}/test_reconciliation.py",
    f"{_REQUESTS}/test_effects.py",
    f"{_REQUESTS}/test_attempt.py",
    f"{_REQUESTS}/test_rules.py",
    f"{_REQUESTS}/test_lease.py",
    f"{_REQUESTS}/test_handler_failures.py",
    f"{_REQUESTS}/test_store_failures.py",
    f"{_REQUESTS}/test_outcomes.py",
    f"{_REQUESTS}/test_adversity.py",
    f"{_REQUESTS}/test_delivery.py",
    f"{_STORES}/test_waiting.py",
    f"{_STORES}/test_shared_line.py",
    f"{_STORES}/test_redis_bodies.py",
    f"{_STORES}/test_redis_full.py",
    f"{_STORES}/test_redis_doubt.py",
    f"{_STORES}/test_redis_safety.py",
)


@dataclass
class Found:
    name: str
    played: int = 0
    """Schedules."""
    failed: int = 0
    first: int = 0
    """How many were played until the first that found it."""
    invariants: str = ""
    test: str = ""
    """An ordinary test that fails."""


def measure(most: int) -> dict[str, Any]:
    """In the copy: until enough schedules have found it, or so many were played."""
    seeds, failed, first = range(most), 0, 0
    invariants: set[str] = set()
    last = most
    for failure in failures(seeds):
        failed += 1
        first = first or failure.seed + 1
        invariants |= {violation.invariant for violation in failure.violations}
        if failed == _ENOUGH:
            last = failure.seed + 1
            break
    names = sorted(invariants, key=lambda name: int(name[1:]))
    return {
        "played": last,
        "failed": failed,
        "first": first,
        "invariants": ", ".join(names),
    }


class Finding:
    def __init__(self, options: argparse.Namespace, known: dict[str, Found]) -> None:
        self._options = options
        self._known = known
        self._copies: Queue[Path] = Queue()

    def find(self, bug: Bug) -> Found:
        copy = self._copies.get()
        try:
            with _planted(bug, copy):
                found = self._known.get(bug.name) or Found(bug.name)
                if not self._options.tests_only:
                    found = Found(bug.name, **self._measured(copy), test=found.test)
                if not self._options.no_tests:
                    found.test = self._failing_test(copy)
        finally:
            self._copies.put(copy)
        rate = f"{found.failed} of {found.played:,}" if found.failed else "NONE"
        print(f"{bug.name}: {rate} {found.invariants} {found.test}", flush=True)
        self._known[bug.name] = found
        self._save()
        return found

    def run(self, bugs: list[Bug]) -> None:
        with tempfile.TemporaryDirectory(prefix="origin-middleware-bugs-") as directory:
            for number in range(self._options.cores):
                copy = Path(directory) / str(number)
                shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
                self._copies.put(copy)
            with ThreadPoolExecutor(self._options.cores) as pool:
                list(pool.map(self.find, bugs))

    def _save(self) -> None:
        """After each, because all take long."""
        rows = [asdict(found) for found in list(self._known.values())]
        self._options.results.write_text(json.dumps(rows))

    def _measured(self, copy: Path) -> dict[str, Any]:
        command = ["tests.simulation.finding", "--measure", str(self._options.most)]
        said = _run(copy, *command).stdout
        try:
            measured: dict[str, Any] = json.loads(said.splitlines()[-1])
        except (IndexError, ValueError):
            return {"played": 1, "failed": 1, "first": 1, "invariants": "fails at once"}
        return measured

    def _failing_test(self, copy: Path) -> str:
        arguments = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", *_TESTS)
        said = _run(copy, "pytest", *arguments, "-m", "").stdout
        for line in said.splitlines():
            kind, _, rest = line.partition(" ")
            if kind in ("FAILED", "ERROR") and "::" in rest:
                return rest.partition(" - ")[0].rpartition("::")[2].partition("[")[0]
        return ""


def _run(copy: Path, *module: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *module],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=3_600,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@contextmanager
def _planted(bug: Bug, copy: Path) -> Iterator[None]:
    before = {change.file: (copy / change.file).read_bytes() for change in bug.changes}
    bug.plant(copy)
    try:
        yield
    finally:
        for file, content in before.items():
            (copy / file).write_bytes(content)


def table(found: list[Found]) -> str:
    rows = [
        "| planted bug | first found after | share | violates | an ordinary test |",
        "|---|--:|--:|---|---|",
    ]
    for each in sorted(found, key=lambda each: each.failed / each.played):
        first = f"{each.first:,}" if each.failed else "not found"
        percent = 100 * each.failed / each.played
        share = f"{percent:{'.0f' if percent >= 10 else '.2g'}} %" if percent else "0"
        test = f"`{each.test}`" if each.test else "none"
        row = [each.name, first, share, each.invariants, test]
        rows.append(f"| {' | '.join(row)} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    options = _options()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return 0
    known: dict[str, Found] = {}
    if options.results.exists():
        rows = json.loads(options.results.read_text())
        known = {row["name"]: Found(**row) for row in rows}
    bugs = [bug for bug in BUGS if options.only in bug.name]
    if options.more:
        bugs = [bug for bug in bugs if _is_missing(known.get(bug.name), options)]
    Finding(options, known).run(bugs)
    all_found = [known[bug.name] for bug in BUGS if bug.name in known]
    begin, _, rest = _PAGE.read_text().partition(_BEGIN)
    _, _, end = rest.partition(_END)
    _PAGE.write_text(f"{begin}{_BEGIN}{table(all_found)}{_END}{end}")
    missed = [found.name for found in all_found if not found.failed]
    nowhere = [found.name for found in all_found if not (found.failed or found.test)]
    print(f"{len(all_found)} bugs. No schedule finds {missed}; nothing finds {nowhere}")
    return 0


def _is_missing(known: Found | None, options: argparse.Namespace) -> bool:
    if known is None:
        return True
    return not (known.test if options.tests_only else known.failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.finding")
    parser.add_argument("--most", type=int, default=20_000, help="schedules for a bug")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="bugs with this in their name")
    parser.add_argument("--more", action="store_true", help="bugs not found so far")
    parser.add_argument("--tests-only", action="store_true", help="no schedules")
    parser.add_argument("--no-tests", action="store_true", help="schedules only")
    parser.add_argument(
        "--results", type=Path, default=ROOT / ".planted.json", help="of earlier runs"
    )
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
