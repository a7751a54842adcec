"""What the gate adds to a request, in the emulator, for a facilitator of known delay.

Four things are timed by turns, so that whatever else the machine does hits them alike:
the facilitator alone (verify and settle, on a kept connection), a request under a
behaviour without functions, one with functions that change nothing, and a paid one.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx

from edge.emulator.distribution import Behaviour
from sample_origin.facilitator import BASE_PATH
from sample_origin.processes import Service
from tests.support.lambdas import Counted, emulated, pass_through
from tests.support.running import serving

REQUESTS = 50
KEY = {"X-Facilitator-Auth": "nf_test_demo", "content-type": "application/json"}
NETWORK, RESOURCE = "eip155:8453", "joke-endpoint"  # as in routes.toml

Timed = dict[str, list[float]]


def latencies(
    facilitator: Service, bundle: Path, folder: Path, delays: Sequence[float]
) -> dict[float, Timed]:
    """Seconds of every request, for each delay of the facilitator in seconds."""
    for name in ("gate", "nothing"):
        (folder / name).mkdir()
    bare = Behaviour("/bare/*", viewer_request=False, origin_response=False)
    with ExitStack() as stack:
        started = stack.enter_context
        origin = started(serving(Counted()))
        gate = started(emulated(folder / "gate", bundle, origin, bare, Behaviour()))
        nothing = started(emulated(folder / "nothing", pass_through, origin))
        calls: dict[str, Callable[[], object]] = {
            "the facilitator alone": Asking(facilitator.url),
            "no functions": lambda: _asked(gate.client, "/bare/joke"),
            "functions that do nothing": lambda: _asked(nothing.client, "/api/joke"),
            "the gate": lambda: _asked(gate.client, "/api/joke"),
        }
        timed = {delay: _by_turns(facilitator, calls, delay) for delay in delays}
    _slow_down(facilitator, 0)
    return timed


def added(timed: Timed) -> tuple[float, float, float]:
    """Milliseconds: what a paid request takes longer, and of that the facilitator's
    part, and what is neither its part nor the invocation of two functions."""
    taken = {name: median(seconds) * 1_000 for name, seconds in timed.items()}
    whole = taken["the gate"] - taken["no functions"]
    asking = taken["the facilitator alone"]
    own = taken["the gate"] - taken["functions that do nothing"] - asking
    return whole, asking, own


def _by_turns(
    facilitator: Service, calls: dict[str, Callable[[], object]], delay: float
) -> Timed:
    _slow_down(facilitator, delay)
    timed: Timed = {name: [] for name in calls}
    for number in range(REQUESTS + 1):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            if number:  # the first of each starts processes and opens connections
                timed[name].append(time.perf_counter() - begun)
    return timed


def _slow_down(facilitator: Service, delay: float) -> None:
    mode = "slow" if delay else "ok"
    simulation = {"verify": mode, "settle": mode, "delay": delay}
    httpx.put(f"{facilitator.url}/_simulate", json=simulation).raise_for_status()


_proofs = count()


def _asked(client: httpx.Client, path: str) -> None:
    proof = f"stub-{next(_proofs)}"
    answer = client.get(path, headers={"x402-payment": proof}, timeout=10)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} is answered with {answer.status_code}")


class Asking:
    """Verify and settle, as the gate asks, with nothing around it."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc)

    def __call__(self) -> None:
        about = {"network": NETWORK, "resourceId": RESOURCE}
        headers = {"x402-payment": f"stub-{next(_proofs)}"}
        intent = self._post("verify", about | {"headers": headers})[
            "settlementIntentId"
        ]
        due = {"settlementIntentId": intent, "originStatus": 200}
        if self._post("settle", about | due)["ok"] is not True:
            raise RuntimeError("the facilitator does not settle")

    def _post(self, call: str, question: dict[str, object]) -> dict[str, object]:
        body = json.dumps(question).encode()
        self._connection.request("POST", f"{BASE_PATH}/{call}", body, KEY)
        answer: dict[str, object] = json.loads(self._connection.getresponse().read())
        return answer
