"""Runs in an interpreter of its own, as Lambda runs the handler: what does it cost?

`python -I -S -B probe.py BUNDLE ROUNDS CALLS [instantly] [free]`, with two events as
JSON on standard input. Prints seconds of CPU per call, round by round, as JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

# As NexFlow answers, and as a standard facilitator does.
ANSWERS = {
    "/verify": {
        "valid": True,
        "settlementIntentId": "intent-1",
        "expiresAt": None,
        "isValid": True,
    },
    "/settle": {
        "ok": True,
        "settledAt": "2026-02-07T08:12:34.850Z",
        "success": True,
        "transaction": "0xabc",
    },
}


def instantly(answer: Callable[[int, object], object]) -> Callable[..., object]:
    """A facilitator that takes no time and no socket."""

    def ask(path: str, *_: Any, **__: Any) -> object:
        return answer(200, ANSWERS[path])

    return ask


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 5_000


def main(folder: str, rounds: int, calls: int, *options: str) -> None:
    sys.path.insert(0, folder)
    handler = import_module("handler").handler
    if "instantly" in options:
        answer = import_module("edge.gate").Answer  # that of the bundle, not ours
        handler._facilitator.ask = instantly(answer)  # noqa: SLF001 - it has no other opening
    asked, answered = json.load(sys.stdin)
    context = Context()
    results, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115, PTH123 - its log
    # The request comes back as it was forwarded, or the gate would not know its own.
    forwarded = handler(asked, context)
    if "status" in forwarded and "free" not in options:
        raise SystemExit(f"the gate refused the request: {forwarded}")
    answered["Records"][0]["cf"]["request"] = forwarded

    def round_of(event: Any) -> float:
        begun = time.process_time()
        for _ in range(calls):
            handler(event, context)
        return (time.process_time() - begun) / calls

    figures = {
        "viewer-request": [round_of(asked) for _ in range(rounds)],
        "origin-response": [round_of(answered) for _ in range(rounds)],
    }
    json.dump(figures, results)
    results.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
