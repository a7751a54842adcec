"""Faults that verify and settle show on request, set at run time.

| mode | the work is done | the caller sees |
|---|---|---|
| ok | yes | the answer |
| slow | yes | the answer, late |
| fail | no | 500 internal_error |
| rate-limit | no | 429 |
| malformed | yes | 200 and half a JSON object |
| truncate | yes | half the answer, then a closed connection |
| hang | yes | nothing, until the caller disconnects |
"""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self, assert_never

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Mode(StrEnum):
    """How an endpoint behaves."""

    OK = "ok"
    SLOW = "slow"
    FAIL = "fail"
    RATE_LIMIT = "rate-limit"
    MALFORMED = "malformed"
    TRUNCATE = "truncate"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Simulation:
    """The mode of each endpoint; `delay` is how late `slow` is, in seconds.

    `times` limits how many requests are affected, of both endpoints together.
    """

    verify: Mode = Mode.OK
    settle: Mode = Mode.OK
    delay: float = 1.0
    times: int | None = None

    @classmethod
    def parse(cls, settings: object) -> Self:
        """From JSON; a missing name has its default. Raises ValueError."""
        names = cls.__slots__
        if not isinstance(settings, dict) or not settings.keys() <= {*names}:
            raise ValueError(f"give an object with some of {', '.join(names)}")
        simulation = cls(**settings)
        if not _is_number(simulation.delay) or not _is_count(simulation.times):
            raise ValueError("delay is a number of seconds, times a positive integer")
        return replace(
            simulation, verify=Mode(simulation.verify), settle=Mode(simulation.settle)
        )


class Simulator:
    """The simulation in force. Without one, every request is answered as usual."""

    def __init__(self) -> None:
        self.simulation = Simulation()

    def treat(self, endpoint: str) -> tuple[Simulation, Mode]:
        """The mode of this request to `verify` or `settle`."""
        now = self.simulation
        mode = now.verify if endpoint == "verify" else now.settle
        if mode is not Mode.OK and now.times is not None:
            more = replace(now, times=now.times - 1)
            self.simulation = more if more.times else Simulation()
        return now, mode


async def distorted(response: Response, mode: Mode, delay: float) -> Response:
    """The response as the mode changes it; the work behind it is already done."""
    match mode:
        case Mode.SLOW:
            await asyncio.sleep(delay)
            return response
        case Mode.MALFORMED:
            response.body = response.body[: len(response.body) // 2]
            response.headers["content-length"] = str(len(response.body))
            return response
        case Mode.TRUNCATE:
            return Truncated(response)
        case Mode.HANG:
            return Hanging()
        case Mode.OK | Mode.FAIL | Mode.RATE_LIMIT:
            return response
        case _:
            assert_never(mode)


class Truncated(Response):
    """Announces a whole body and sends half of it; then the server closes."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        whole = self._whole
        start = {"status": whole.status_code, "headers": whole.raw_headers}
        await send({"type": "http.response.start", **start})
        half = bytes(whole.body[: len(whole.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


class Hanging(Response):
    """Sends nothing until the caller disconnects."""

    async def __call__(self, _: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_count(value: object) -> bool:
    return value is None or (type(value) is int and value > 0)
