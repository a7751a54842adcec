"""Sends the story's requests, says what happened, and counts what it cost."""

from typing import Any

import httpx

from .machine import Machine, billed

# What CloudFront and the server add to a response, new each time.
_PER_REQUEST = {"date", "via", "x-amz-cf-id", "x-cache", "idempotent-replayed"}


class BrokenPromiseError(Exception):
    """A step of the story did not hold."""


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenPromiseError(otherwise)


class Teller:
    def __init__(self, machine: Machine, http: httpx.AsyncClient) -> None:
        self.machine = machine
        self._http = http
        self._effects = 0
        self._settlements = 0
        self._settled_earlier = 0

    def say(self, line: str) -> None:
        print(f"      {line}", flush=True)

    async def send(
        self, method: str, path: str, proof: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = more.pop("headers", {}) | ({"x402-payment": proof} if proof else {})
        return await self._http.request(method, path, headers=headers, **more)

    async def ask(
        self, status: int, method: str, path: str, proof: str | None = None, **more: Any
    ) -> httpx.Response:
        """Send, say what came back, and require this status."""
        answer = await self.send(method, path, proof, **more)
        paid = f"payment {proof}" if proof else "no payment"
        self.say(f"{method} {path}, {paid} → {_described(answer)}")
        require(answer.status_code == status, f"expected {status}: {answer.text}")
        return answer

    def count(self, *, effects: int, settlements: int) -> None:
        """Require that so many were added since the last count."""
        all_effects = len(self.machine.ledger.rows())
        all_settlements = self._settled_earlier + billed(self.machine)
        self.say(f"side effects {all_effects}, settlements {all_settlements}")
        added = (all_effects - self._effects, all_settlements - self._settlements)
        self._effects, self._settlements = all_effects, all_settlements
        require(
            added == (effects, settlements),
            f"expected {effects} and {settlements} more, not {added[0]} and {added[1]}",
        )

    def stop_facilitator(self) -> None:
        """It keeps its ledger in memory, so what it has settled is noted before."""
        self._settled_earlier += billed(self.machine)
        self.machine.facilitator.kill()

    def start_facilitator(self) -> None:
        self.machine.facilitator.start()
        self.machine.facilitator.check("/_ledger")


def recorded(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """What of a response is the origin's: this has to be equal in a replay."""
    headers = [
        pair for pair in answer.headers.multi_items() if pair[0] not in _PER_REQUEST
    ]
    return answer.status_code, headers, answer.content


def replayed(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("idempotent-replayed") == "true")


def _described(answer: httpx.Response) -> str:
    problem = answer.headers.get("content-type", "").startswith(
        "application/problem+json"
    )
    note = f" {answer.json()['code']}" if problem else ""
    note += " replayed" if replayed(answer) else ""
    return f"{answer.status_code}{note} {'' if problem else answer.text[:90]}".rstrip()
