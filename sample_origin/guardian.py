"""Ends what the demo started, even where the demo itself is killed.

A process of its own that reads a pipe from the demo: process groups to watch, one a
line, and `done` at a proper end. If the pipe ends without that, nobody else is left to
clean up.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


class Guardian:
    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sample_origin.guardian", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends the demo must not end its guardian
            text=True,
        )

    def watch(self, group: int) -> None:
        self._tell(str(group))

    def dismiss(self) -> None:
        """Everything has been ended and removed already."""
        self._tell("done")
        self._process.communicate()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def main(directory: str) -> None:
    groups = []
    for line in sys.stdin:
        if line.strip() == "done":
            return
        groups.append(int(line))
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
