"""One payment and its retries, step by step, on a running machine.

Each step is a function: its docstring is its title, and it requires what it promises.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from .machine import LEASE, RESPONSE_TIMEOUT, Machine

JOKE, REPORT = "/api/joke", "/premium/report"
SLOW_JOKE = f"{JOKE}?seconds={RESPONSE_TIMEOUT + 1:g}"
TOPIC = {"topic": "tea"}
STORM = 50

# CloudFront and the server add these to each response.
_PER_REQUEST = {"date", "via", "x-amz-cf-id", "x-cache", "idempotent-replayed"}


async def play(machine: Machine, steps: Sequence["Step"] | None = None) -> bool:
    """Play the steps, by default all of them. False if one does not hold."""
    begun = time.monotonic()
    async with httpx.AsyncClient(base_url=machine.cloudfront.url, timeout=30) as http:
        story = Story(machine, http)
        for number, step in enumerate(STEPS if steps is None else steps, 1):
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


class Story:
    """Sends the requests of the steps, prints what happened, and counts the effects."""

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
        """Send a request, print the answer, and require this status."""
        answer = await self.send(method, path, proof, **more)
        paid = f"payment {proof}" if proof else "no payment"
        self.say(f"{method} {path}, {paid} → {_described(answer)}")
        require(answer.status_code == status, f"expected {status}: {answer.text}")
        return answer

    def require_added(self, *, effects: int, settlements: int) -> None:
        """Print both counts. Require that so many were added since the last time."""
        all_effects = len(self.machine.ledger.rows())
        all_settlements = self._settled_earlier + self.machine.settlements()
        self.say(f"side effects {all_effects}, settlements {all_settlements}")
        added = (all_effects - self._effects, all_settlements - self._settlements)
        self._effects, self._settlements = all_effects, all_settlements
        require(
            added == (effects, settlements),
            f"expected {effects} and {settlements} more, not {added[0]} and {added[1]}",
        )

    def stop_facilitator(self) -> None:
        """Its counts are in its memory, so they are noted before."""
        self._settled_earlier += self.machine.settlements()
        self.machine.facilitator.kill()

    def start_facilitator(self) -> None:
        self.machine.facilitator.start()
        self.machine.facilitator.check("/_ledger")


Step = Callable[[Story], Awaitable[None]]


async def no_payment(story: Story) -> None:
    """Without a payment there is no answer, only the price"""
    answer = await story.ask(402, "GET", JOKE)
    require(
        answer.json()["requirement"]["network"] == "eip155:8453",
        "the requirement names another network",
    )
    story.require_added(effects=0, settlements=0)


async def payment_and_retry(story: Story) -> None:
    """One payment: one side effect, one settlement; a retry gets the same bytes"""
    first = await story.ask(201, "POST", REPORT, "tea-1", json=TOPIC)
    story.require_added(effects=1, settlements=1)
    again = await story.ask(201, "POST", REPORT, "tea-1", json=TOPIC)
    require(replayed(again), "the answer is not marked as a replay")
    require(recorded(again) == recorded(first), "the replay differs from the response")
    story.require_added(effects=0, settlements=0)


async def another_path(story: Story) -> None:
    """The same payment for something else is refused"""
    await story.ask(422, "POST", "/premium/summary", "tea-1", json=TOPIC)
    story.require_added(effects=0, settlements=0)


async def storm(story: Story) -> None:
    """Fifty requests at once with one payment: one side effect, fifty answers"""
    path = f"{REPORT}?seconds=0.5"
    requests = [story.send("POST", path, "storm-1", json=TOPIC) for _ in range(STORM)]
    answers = await asyncio.gather(*requests)
    distinct = {(answer.status_code, answer.content) for answer in answers}
    status = answers[0].status_code
    story.say(f"{STORM} × POST {path} → {len(distinct)} distinct answer, {status}")
    require(len(distinct) == 1 and status == 201, f"{len(distinct)} distinct answers")
    story.require_added(effects=1, settlements=1)


async def origin_failure(story: Story) -> None:
    """The origin answers 503: no settlement, and the retry succeeds"""
    story.machine.begin_outage()
    await story.ask(503, "POST", REPORT, "outage-1", json=TOPIC)
    story.machine.end_outage()
    skipped = _last_event(story, "settle_skipped")
    story.say(f"the gate logs settle_skipped: {skipped['reason']}")
    story.require_added(effects=0, settlements=0)
    await story.ask(201, "POST", REPORT, "outage-1", json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def no_facilitator_at_verify(story: Story) -> None:
    """The facilitator is down at verify: 500, and the origin sees no request"""
    story.stop_facilitator()
    await story.ask(500, "POST", REPORT, "verify-1", json=TOPIC)
    story.start_facilitator()
    story.require_added(effects=0, settlements=0)
    await story.ask(201, "POST", REPORT, "verify-1", json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def no_facilitator_at_settle(story: Story) -> None:
    """The facilitator is down at settle: the response arrives, the failure is logged"""
    path = f"{REPORT}?seconds=1"
    request = asyncio.create_task(story.ask(201, "POST", path, "settle-1", json=TOPIC))
    await _new_effect(story)
    story.stop_facilitator()
    await request
    failed = _last_event(story, "settle")
    require(failed["settled"] is False, "the gate logs a settlement")
    story.say(f"the gate logs settle: {failed['error']}")
    story.start_facilitator()
    story.require_added(effects=1, settlements=0)
    await story.ask(201, "POST", path, "settle-1", json=TOPIC)
    story.require_added(effects=0, settlements=1)


async def slow_get(story: Story) -> None:
    """A GET is so slow that CloudFront sends it twice: one side effect, one answer"""
    answer = await story.ask(200, "GET", SLOW_JOKE, "slow-1")
    story.say(f"CloudFront gave up after {RESPONSE_TIMEOUT:g} s and sent it again")
    require(replayed(answer), "the answer is not the one to the second attempt")
    story.require_added(effects=1, settlements=1)


async def killed_before_its_effect(story: Story) -> None:
    """A worker is killed before its side effect: nothing happened, the retry runs"""
    path = f"{REPORT}?before=2"
    request = asyncio.create_task(story.ask(502, "POST", path, "killed-0", json=TOPIC))
    pid = await _waiting_process(story)
    story.say(f"worker {pid} is killed, before the side effect")
    story.machine.kill_worker(pid)
    await request
    story.require_added(effects=0, settlements=0)
    await story.ask(201, "POST", path, "killed-0", json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def killed_worker(story: Story) -> None:
    """A worker is killed after it: the outcome is unknown, nothing is repeated"""
    request = asyncio.create_task(
        story.ask(502, "POST", f"{REPORT}?seconds=30", "killed-1", json=TOPIC)
    )
    row = await _new_effect(story)
    story.say(f"worker {row['pid']} is killed, after the side effect")
    story.machine.kill_worker(int(str(row["pid"])))
    await request
    again = await story.ask(409, "POST", f"{REPORT}?seconds=30", "killed-1", json=TOPIC)
    require(again.json()["code"] == "outcome-unknown", f"{again.json()['code']}")
    story.say(f"(after the lease of {LEASE:g} s had expired)")
    story.require_added(effects=1, settlements=0)


async def no_redis(story: Story) -> None:
    """Redis is down: the handler does not run. Redis is back: it does"""
    story.machine.redis.stop()
    await story.ask(503, "POST", REPORT, "redis-1", json=TOPIC)
    story.require_added(effects=0, settlements=0)
    story.machine.redis.start()
    await story.ask(201, "POST", REPORT, "redis-1", json=TOPIC)
    kept = await story.ask(200, "GET", SLOW_JOKE, "slow-1")
    require(replayed(kept), "the record did not survive the restart")
    story.require_added(effects=1, settlements=1)


async def around_the_gate(story: Story) -> None:
    """A request bypasses the gate, with a forged intent: refused"""
    direct = story.machine.origin.url + REPORT
    forged = {"x-settlement-intent-id": "forged"}
    refused = await story.ask(401, "POST", direct, headers=forged, json=TOPIC)
    require(refused.json()["code"] == "signature-refused", refused.text)
    await story.ask(400, "POST", direct, json=TOPIC)
    story.require_added(effects=0, settlements=0)


async def forged_intent(story: Story) -> None:
    """A client sends its own intent: it never reaches the origin"""
    forged = {"x-settlement-intent-id": "forged"}
    free = await story.ask(200, "GET", "/health", headers=forged)
    require(free.json()["intent"] is None, "the forged intent reached a free path")
    await story.ask(402, "POST", REPORT, headers=forged, json=TOPIC)
    await story.ask(201, "POST", REPORT, "forged-1", headers=forged, json=TOPIC)
    intent = story.machine.ledger.rows()[-1]["intent"]
    story.say(f"the paid handler saw the intent {intent}")
    require(intent != "forged", "the forged intent reached a paid path")
    story.require_added(effects=1, settlements=1)


STEPS: list[Step] = [
    no_payment,
    payment_and_retry,
    another_path,
    storm,
    origin_failure,
    no_facilitator_at_verify,
    no_facilitator_at_settle,
    slow_get,
    killed_before_its_effect,
    killed_worker,
    no_redis,
    forged_intent,
    around_the_gate,
]


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


async def _new_effect(story: Story) -> dict[str, object]:
    """The next row of the ledger. Its handler is at work from then on."""
    ledger = story.machine.ledger
    before = len(ledger.rows())
    async with asyncio.timeout(10):
        while len(ledger.rows()) == before:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.01)
    return ledger.rows()[-1]


async def _waiting_process(story: Story) -> int:
    """It has a claim, and has not begun."""
    waiting = story.machine.ledger.waiting
    async with asyncio.timeout(10):
        while not waiting.exists() or not waiting.read_text():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    return int(waiting.read_text())


def _last_event(story: Story, kind: str) -> dict[str, object]:
    events = [json.loads(line) for line in story.machine.edge_log().splitlines()]
    found: dict[str, object] = [e for e in events if e["eventType"] == kind][-1]
    return found
