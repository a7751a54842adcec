"""The machine under the benchmark: its cores, what keeps them awake, who disturbs them.

Where the operating system cannot pin a process or does not tell, nothing is done.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# A virtual core that has halted takes tens of microseconds to wake up, and more while
# its neighbours are busy. What runs at idle priority keeps it awake and gives way, but
# only within a session: Linux shares a core between sessions first. So everything that
# is measured is started in ours.
_SPIN = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


def cores() -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def server_core() -> list[int]:
    return cores()[:1]


def row_core() -> list[int]:
    return cores()[-1:]


def second_row_core() -> list[int]:
    """For a second process: one of its own where there are three."""
    usable = cores()
    return [usable[len(usable) // 2]] if usable else []


def pin(pid: int, to: Sequence[int]) -> None:
    if to:
        os.sched_setaffinity(pid, to)


@contextmanager
def awake() -> Iterator[None]:
    """Keep every core that is used from halting."""
    used = sorted({*server_core(), *row_core(), *second_row_core()})
    spinners = []
    try:
        for core in used if hasattr(os, "SCHED_IDLE") else []:
            spinner = subprocess.Popen([sys.executable, "-c", _SPIN])
            spinners.append(spinner)
            idle = os.sched_param(0)
            os.sched_setscheduler(spinner.pid, os.SCHED_IDLE, idle)
            pin(spinner.pid, [core])
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def kept_waiting(pid: int) -> float:
    """For how many seconds a process was ready and others had its core."""
    try:
        fields = Path(f"/proc/{pid}/schedstat").read_text().split()
    except OSError:
        return 0.0
    return int(fields[1]) / 1e9


def processor() -> str:
    with_name = Path("/proc/cpuinfo")
    lines = with_name.read_text().splitlines() if with_name.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
