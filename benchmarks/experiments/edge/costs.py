"""What the handler costs by itself: to import, and in CPU per call.

Fresh interpreters that know the standard library and the bundle and no more, as on
Lambda, pinned to one core where the system can do that.
"""

import compileall
import json
import os
import shutil
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path
from statistics import median
from typing import Any

ISOLATED = ("-I", "-S", "-B")
PROBE = Path(__file__).with_name("probe.py")

IMPORT_RUNS = 20
ROUNDS, CALLS = 7, 400

CDP_SECRET = b64encode(bytes(range(64))).decode()
"""Of nobody."""

TIMED = "import sys, time; sys.path.insert(0, {folder!r}); begun = time.process_time()"
HANDLER = "import handler"
CONTROL = "import http.client, ssl, json; ssl.create_default_context()"
PRINTED = "print(time.process_time() - begun)"


def import_costs(bundle: Path, folder: Path) -> dict[str, dict[str, list[float]]]:
    """CPU seconds of the handler's import and of the control's, run by turns.

    A bundle has no byte code, and Lambda's disk keeps none. Both are measured."""
    bare, compiled = folder / "bare", folder / "compiled"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(bare)
    shutil.copytree(bare, compiled)
    compileall.compile_dir(compiled, quiet=2)
    return {
        "without byte code": _by_turns(bare),
        "with byte code": _by_turns(compiled),
    }


def _by_turns(folder: Path) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {"handler": [], "control": []}
    for _ in range(IMPORT_RUNS):
        figures["control"].append(_seconds(folder, CONTROL))
        figures["handler"].append(_seconds(folder, HANDLER))
    return figures


def _seconds(folder: Path, code: str) -> float:
    lines = (TIMED.format(folder=str(folder)), code, PRINTED)
    command = [sys.executable, *ISOLATED, "-c", "; ".join(lines)]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def token_costs(folder: Path) -> list[float]:
    """CPU seconds of one token of CDP's: a gate makes one in 100 seconds."""
    code = (
        f"import sys, time; sys.path.insert(0, {str(folder)!r})",
        "from edge.x402.cdp import Tokens",
        f"tokens = Tokens('id', {CDP_SECRET!r}, 'facilitator.example', lambda: 0)",
        "begun = time.process_time()",
        "tokens.token('/verify')",
        PRINTED,
    )
    command = [sys.executable, *ISOLATED, "-c", "; ".join(code)]
    runs = (
        subprocess.run(command, check=True, capture_output=True) for _ in range(ROUNDS)
    )
    return [float(done.stdout) for done in runs]


def call_costs(
    folder: Path, events: list[Any], *options: str, calls: int = CALLS
) -> dict[str, list[float]]:
    """CPU seconds per call of each trigger. `instantly`: without a facilitator."""
    arguments = (PROBE, folder, ROUNDS, calls, *options)
    done = subprocess.run(
        [sys.executable, *ISOLATED, *map(str, arguments)],
        input=json.dumps(events).encode(),
        check=True,
        capture_output=True,
    )
    figures: dict[str, list[float]] = json.loads(done.stdout)
    return figures


def pinned() -> int | None:
    """Keep to one core from here on, children included: other programs move about."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def ratio(figures: dict[str, list[float]]) -> list[float]:
    """Of each handler's run to the control's run beside it."""
    pairs = zip(figures["handler"], figures["control"], strict=True)
    return [handler / control for handler, control in pairs]


def milliseconds(figures: list[float]) -> float:
    return median(figures) * 1_000
