"""`python -m benchmarks.experiments.parts`: what a process spends on a replay of 1 KiB
and on a first execution, at 64 at once.

The profiler makes each call of a function dearer, so a share says less than the number
of calls, which is the same on every machine. A coroutine that goes on counts as called.
"""

import cProfile
import pstats
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.app import Handlers
from benchmarks.client import Client
from benchmarks.experiments.command import Cells, arguments, run
from benchmarks.measures import FIRST_64, REPLAY_64, Measure
from benchmarks.rows import OURS
from benchmarks.server import running_server
from benchmarks.timing import block

_SECONDS = 3.0

_REQUEST = "the request: key, signature, body, fingerprint"
_COMMAND = "commands to the server, and their replies"
_CLAIM = "the claim, and the run under it"
_RESPONSE = "the response, and its record"
_LOOP = "asyncio: tasks, callbacks, sockets"
_APP = "the app, and the benchmark's client"

_FILES = {
    _REQUEST: (
        "middleware admission key signature routes reading request scope trace asgi"
    ),
    _RESPONSE: "recorder response problem",
}
_PART_OF = {
    f"{name}.py": part for part, all_ in _FILES.items() for name in all_.split()
}

Function = tuple[str, int, str]


async def parts(binary: Path) -> list[Cells]:
    with running_server(binary) as server:
        replay = await _profile(REPLAY_64, server.url)
        first = await _profile(FIRST_64, server.url)
    return [
        {
            "part": part,
            "of a replay": f"{replay[part][0]:.0%}",
            "calls": f"{replay[part][1]:.0f}",
            "of a first execution": f"{first[part][0]:.0%}",
            "its calls": f"{first[part][1]:.0f}",
        }
        for part in (_REQUEST, _COMMAND, _CLAIM, _RESPONSE, _LOOP, _APP)
    ]


async def _profile(measure: Measure, url: str) -> dict[str, tuple[float, float]]:
    """Of each part: its share of the time, and its calls for each request."""
    handlers = Handlers()
    client = Client(OURS.build(handlers, url), OURS.header)
    with cProfile.Profile() as profiler:
        await block(
            client, handlers, measure, replays=True, requests=0, seconds=_SECONDS
        )
    stats: dict[Function, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined] # not in its stub
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    requests = sum(each[1] for (_, _, name), each in stats.items() if name == "_scope")
    for function, (_, number, own, _, callers) in stats.items():
        # What is written in C, or made by dataclasses, is charged to its callers.
        charged = {function: (number, number, own, 0)}
        for payer, (_, times, spent, _) in (
            charged if function[0].endswith(".py") else callers
        ).items():
            seconds[_part(payer)] += spent
            calls[_part(payer)] += times
    whole = sum(seconds.values())
    return {part: (seconds[part] / whole, calls[part] / requests) for part in seconds}


def _part(function: Function) -> str:
    path = Path(function[0])
    if "origin_middleware" in path.parts:
        return _COMMAND if "stores" in path.parts else _PART_OF.get(path.name, _CLAIM)
    return _APP if {"starlette", "benchmarks"} & {*path.parts} else _LOOP


if __name__ == "__main__":
    run(arguments(__doc__, ["parts"]).parse_args(), {"parts": parts})
