"""The published contract over HTTP: `POST /verify`, `POST /settle` below a base path.

Beside it, without a key, for whoever runs the simulation:

    PUT /_simulate  {"verify": mode, "settle": mode, "delay": seconds, "times": n}
    GET /_ledger    {"verified": n, "refused": {reason: n},
                     "settlements": {intent: n}, "billed": n}
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from .calls import CallError, SettleCall, VerifyCall
from .payments import Answer, Clock, Payments
from .rate_limit import RateLimit
from .settings import Settings
from .simulation import Mode, Simulation, Simulator, distorted


def create_app(
    settings: Settings | None = None, *, clock: Clock = time.time
) -> Starlette:
    """A facilitator with an empty ledger."""
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
        self._payments = Payments(settings, clock)
        self._rate_limit = RateLimit(settings.calls_per_minute)
        self._simulator = Simulator()

    async def verify(self, request: Request) -> Response:
        """`POST /verify`. Not billed."""
        return await self._answer(
            request,
            "verify",
            lambda key, body: self._payments.verify(key, VerifyCall.parse(body)),
        )

    async def settle(self, request: Request) -> Response:
        """`POST /settle`. The billable event, once per intent."""
        return await self._answer(
            request,
            "settle",
            lambda _, body: self._payments.settle(SettleCall.parse(body)),
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
        return JSONResponse(self._payments.ledger.report())

    async def broken(self, _: Request, __: Exception) -> Response:
        """A bug of ours looks like the contract's 500."""
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
        except (CallError, JSONDecodeError, UnicodeDecodeError) as error:
            return _invalid(error, allowance.headers)
        response = JSONResponse(answer, status, allowance.headers)
        return await distorted(response, mode, simulation.delay)


def _invalid(error: ValueError, headers: dict[str, str]) -> Response:
    body = {"error": "invalid_request", "message": str(error)}
    return JSONResponse(body, 400, headers)


app = create_app()
