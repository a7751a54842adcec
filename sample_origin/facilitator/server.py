"""The contract over HTTP: `POST /verify` and `POST /settle` below a base path.

Two more routes, which need no key, are for the operator of the simulation:

    PUT /_simulate  {"verify": mode, "settle": mode, "delay": seconds, "times": n}
    GET /_ledger    {"verified": n, "intents": [intent], "refused": {reason: n},
                     "settlements": {intent: n}, "billed": n}
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Scope

from ..messages import Participant
from ..watched import watched
from .contract import BASE_PATH, ContractError, SettleRequest, VerifyRequest
from .payments import Answer, Clock, Payments
from .simulation import Mode, Simulation, Simulator, distorted


@dataclass(frozen=True, slots=True)
class Settings:
    """The known keys, how often each may ask, and how long a proof is valid."""

    keys: frozenset[str] = frozenset({"nf_test_demo", "nf_live_demo"})
    calls_per_minute: int = 6_000
    proof_validity: float = 3_600.0  # seconds, from the first verification
    base_path: str = BASE_PATH

    def __post_init__(self) -> None:
        if not all(key.startswith(("nf_test_", "nf_live_")) for key in self.keys):
            raise ValueError("a key begins with nf_test_ or nf_live_")
        if self.calls_per_minute < 1 or self.proof_validity <= 0:
            raise ValueError("calls_per_minute and proof_validity must be positive")
        if not self.base_path.startswith("/") or self.base_path.endswith("/"):
            raise ValueError("the base path begins with / and does not end with it")


def create_app(
    settings: Settings | None = None, *, clock: Clock = time.time
) -> Starlette:
    """A facilitator that has verified and settled nothing yet."""
    facilitator = Facilitator(settings or Settings(), clock)
    contract = [
        Route("/verify", facilitator.verify, methods=["POST"]),
        Route("/settle", facilitator.settle, methods=["POST"]),
    ]
    routes = [
        Mount(facilitator.settings.base_path, routes=contract),
        Route("/_simulate", facilitator.simulate, methods=["PUT"]),
        Route("/_ledger", facilitator.ledger),
    ]
    return Starlette(routes=routes, exception_handlers={500: facilitator.broken})


class Facilitator:
    """Keys, rate limit and simulation around the payments."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._payments = Payments(settings.proof_validity, settings.base_path, clock)
        self._rate_limit = RateLimit(settings.calls_per_minute)
        self._simulator = Simulator()

    async def verify(self, request: Request) -> Response:
        """`POST /verify`. Not billed."""
        return await self._answer(
            request,
            "verify",
            lambda key, body: self._payments.verify(key, VerifyRequest.parse(body)),
        )

    async def settle(self, request: Request) -> Response:
        """`POST /settle`. The billable event, once per intent."""
        return await self._answer(
            request,
            "settle",
            lambda _, body: self._payments.settle(SettleRequest.parse(body)),
        )

    async def simulate(self, request: Request) -> Response:
        """`PUT /_simulate`: replaces the whole simulation."""
        try:
            simulation = Simulation.parse(await request.json())
        except ValueError as error:
            return _invalid(error, {})
        self._simulator.simulation = simulation
        return JSONResponse(asdict(simulation))

    async def ledger(self, _: Request) -> Response:
        """`GET /_ledger`."""
        return JSONResponse(self._payments.report())

    async def broken(self, _: Request, __: Exception) -> Response:
        """A bug of the simulation looks like the contract's 500."""
        headers = self._rate_limit.untouched(self._clock()).headers
        return JSONResponse({"error": "internal_error"}, 500, headers)

    async def _answer(
        self, request: Request, endpoint: str, work: Callable[[str, Any], Answer]
    ) -> Response:
        key = request.headers.get("x-facilitator-auth", "")
        if key not in self.settings.keys:
            headers = self._rate_limit.untouched(self._clock()).headers
            return JSONResponse({"error": "unauthorized"}, 401, headers)
        simulation, mode = self._simulator.treat(endpoint)
        allowance = self._rate_limit.spend(key, self._clock())
        if allowance.exceeded or mode is Mode.RATE_LIMIT:
            return JSONResponse({"error": "rate_limited"}, 429, allowance.headers)
        if mode is Mode.FAIL:
            return JSONResponse({"error": "internal_error"}, 500, allowance.headers)
        try:
            status, answer = work(key, await request.json())
        except (ContractError, JSONDecodeError, UnicodeDecodeError) as error:
            return _invalid(error, allowance.headers)
        response = JSONResponse(answer, status, allowance.headers)
        return await distorted(response, mode, simulation.delay)


def _invalid(error: ValueError, headers: dict[str, str]) -> Response:
    body = {"error": "invalid_request", "message": str(error)}
    return JSONResponse(body, 400, headers)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many requests a key has left in this window."""

    limit: int
    used: int
    reset: int

    @property
    def exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """Sent with every response; the reset is in seconds since the epoch."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(self.reset),
        }


class RateLimit:
    """Counts the requests of each key, in windows of a minute."""

    WINDOW = 60

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window = 0
        self._used: Counter[str] = Counter()

    def untouched(self, now: float) -> Allowance:
        """The whole allowance, for a request that is not counted."""
        return Allowance(self._limit, 0, self._reset(now))

    def spend(self, key: str, now: float) -> Allowance:
        """Count one request."""
        reset = self._reset(now)
        if reset != self._window:
            self._window = reset
            self._used.clear()
        self._used[key] += 1
        return Allowance(self._limit, self._used[key], reset)

    def _reset(self, now: float) -> int:
        return (int(now) // self.WINDOW + 1) * self.WINDOW


def _sender(scope: Scope) -> Participant | None:
    return "gate" if scope["path"].startswith(BASE_PATH) else None


app = watched(create_app(), "facilitator", _sender)
