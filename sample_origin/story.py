"""What plays the steps on a running machine: it sends their requests, says what
happened, and counts the effects."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from .machine import Machine

# CloudFront and the server add these to each response.
_PER_REQUEST = {"date", "via", "x-amz-cf-id", "x-cache", "idempotent-replayed"}
_PER_REQUEST |= {"payment-response"}  # of a gate before a standard facilitator


async def play(machine: Machine, steps: Sequence["Step"]) -> bool:
    """Play them in this order. False if one does not hold."""
    begun = time.monotonic()
    async with httpx.AsyncClient(base_url=machine.cloudfront.url, timeout=30) as http:
        story = Story(machine, http)
        for number, step in enumerate(steps, 1):
            print(f"\n{number:4}  {step.__doc__}", flush=True)
            try:
                await step(story)
            except StepError as exc:
                print(f"\n      DOES NOT HOLD: {exc}", flush=True)
                return False
    print(f"\nEvery step holds ({time.monotonic() - begun:.0f} s).", flush=True)
    return True


class StepError(Exception):
    """A step does not hold."""


def _print(line: str) -> None:
    print(f"      {line}", flush=True)


class Story:
    """Sends the requests of the steps, says what happened, and counts the effects.

    Steps that belong together are played with the same `number`. With another one,
    the same step makes another payment.
    """

    def __init__(
        self,
        machine: Machine,
        http: httpx.AsyncClient,
        say: Callable[[str], None] = _print,
    ) -> None:
        self.machine = machine
        self.number = next(machine.numbers)
        self.say = say
        self.answers: dict[str, httpx.Response] = {}
        """The first answer that each payment got, where a later step needs it."""
        self._http = http
        self.recount()

    def recount(self) -> None:
        """What has happened so far is not this step's."""
        self._counts = self.machine.counts()

    def payment(self, name: str) -> str:
        """Its name: the machine's payer makes it."""
        return f"{name}-{self.number}"

    async def send(
        self, method: str, path: str, proof: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if proof is not None:
            payer = self.machine.payer
            headers |= await payer.header(self._http, proof, method, path)
        return await self._http.request(method, path, headers=headers, **more)

    async def ask(
        self, status: int, method: str, path: str, proof: str | None = None, **more: Any
    ) -> httpx.Response:
        """Send a request, say what the answer is, and require this status."""
        answer = await self.send(method, path, proof, **more)
        paid = f"payment {proof}" if proof else "no payment"
        self.say(f"{method} {path}, {paid} → {_described(answer)}")
        require(answer.status_code == status, f"expected {status}: {answer.text}")
        return answer

    def require_added(self, *, effects: int, settlements: int) -> None:
        """Say both counts. Require that so many were added since the last time."""
        before, now = self._counts, self.machine.counts()
        self._counts = now
        self.say(f"side effects {now.effects}, settlements {now.settlements}")
        added = (now.effects - before.effects, now.settlements - before.settlements)
        require(
            added == (effects, settlements),
            f"expected {effects} and {settlements} more, not {added[0]} and {added[1]}",
        )

    @asynccontextmanager
    async def without_facilitator(self) -> AsyncIterator[None]:
        await asyncio.to_thread(self.machine.stop_facilitator)
        try:
            yield
        finally:
            await asyncio.to_thread(self.machine.start_facilitator)


Step = Callable[[Story], Awaitable[None]]
"""Its docstring is its title, and it requires what it promises."""


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StepError(otherwise)


def recorded(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """The origin's part of a response, which a replay must repeat."""
    headers = [
        pair for pair in answer.headers.multi_items() if pair[0] not in _PER_REQUEST
    ]
    return answer.status_code, headers, answer.content


def replayed(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("idempotent-replayed") == "true")


def _described(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "")
    problem = kind.startswith("application/problem+json")
    note = f" {answer.json()['code']}" if problem else ""
    note += " replayed" if replayed(answer) else ""
    return f"{answer.status_code}{note} {'' if problem else answer.text[:90]}".rstrip()
