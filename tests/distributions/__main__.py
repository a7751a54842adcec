"""`make dist`: installs each wheel into an empty environment, and runs its smoke test.

The wheels are those that `python -m build` made from the sdists. Nothing but the
standard library is needed here.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from edge.check.snapshot import save
from tests.edge.check import good

from .smoke_edge import SETTINGS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# The distribution, what is installed with it, and its smoke test.
SMOKE_TESTS = (
    ("origin_middleware", "[redis]", ("fastapi", "uvicorn"), "smoke_origin.py"),
    ("origin_middleware_edge", "", (), "smoke_edge.py"),
)

# Not the checkout's code: no path, no variable, no file of it is in reach.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "NEXFLOW", "EDGE", "VIRTUAL_ENV"))
}


def main(dist: Path) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        for name, extra, others, smoke_test in SMOKE_TESTS:
            (wheel,) = dist.glob(f"{name}-*.whl")
            _refuse_dead_links(wheel)
            folder = Path(temporary, name)
            python = _installed(folder / "env", f"{wheel}{extra}", *others)
            empty = folder / "empty"
            empty.mkdir()
            if name == "origin_middleware_edge":
                save(good.answers(), empty / "saved.json")
                shutil.copy(ROOT / "routes.toml", empty)
                _build_from_checkout(empty / "from-checkout.zip")
            command = [str(python), "-I", str(HERE / smoke_test)]
            subprocess.run(command, cwd=empty, env=ENVIRONMENT, check=True)
    return 0


def _refuse_dead_links(wheel: Path) -> None:
    """The registry shows the README, and no file beside it."""
    with zipfile.ZipFile(wheel) as archive:
        (file,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        page = archive.read(file).decode()
    links = re.findall(r"\]\(([^)]+)\)", page)
    dead = [link for link in links if not link.startswith(("https://", "#"))]
    if dead:
        sys.exit(f"{wheel.name}: links of the README lead nowhere: {', '.join(dead)}")


def _installed(folder: Path, *packages: str) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    options = ("--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt")
    subprocess.run([python, "-m", "pip", "install", *options, *packages], check=True)
    return python


def _build_from_checkout(output: Path) -> None:
    command = [sys.executable, "-m", "edge", "build"]
    subprocess.run(
        [*command, "--output", output],
        cwd=ROOT,
        env=ENVIRONMENT | SETTINGS,
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
