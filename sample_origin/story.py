"""One payment and its retries, step by step, on a running machine."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence

import httpx

from .machine import LEASE, RESPONSE_TIMEOUT, Machine
from .teller import BrokenPromiseError, Teller, recorded, replayed, require

JOKE, REPORT = "/api/joke", "/premium/report"
SLOW_JOKE = f"{JOKE}?seconds={RESPONSE_TIMEOUT + 1:g}"
TOPIC = {"topic": "tea"}
STORM = 50

Step = Callable[[Teller], Awaitable[None]]


async def tell(machine: Machine, steps: Sequence[Step] | None = None) -> bool:
    """Play the steps, all of them by default; False where one does not hold."""
    begun = time.monotonic()
    async with httpx.AsyncClient(base_url=machine.cloudfront.url, timeout=30) as http:
        teller = Teller(machine, http)
        for number, step in enumerate(STEPS if steps is None else steps, 1):
            print(f"\n{number:4}  {step.__doc__}", flush=True)
            try:
                await step(teller)
            except BrokenPromiseError as exc:
                print(f"\n      DOES NOT HOLD: {exc}", flush=True)
                return False
    print(f"\nEvery step holds ({time.monotonic() - begun:.0f} s).", flush=True)
    return True


async def no_payment(teller: Teller) -> None:
    """Without a payment there is no answer, but what has to be paid"""
    answer = await teller.ask(402, "GET", JOKE)
    require(answer.json()["requirement"]["network"] == "eip155:8453", "no requirement")
    teller.count(effects=0, settlements=0)


async def payment_and_retry(teller: Teller) -> None:
    """One payment: one side effect, one settlement; a retry gets the same bytes"""
    first = await teller.ask(201, "POST", REPORT, "tea-1", json=TOPIC)
    teller.count(effects=1, settlements=1)
    again = await teller.ask(201, "POST", REPORT, "tea-1", json=TOPIC)
    require(replayed(again), "the answer does not say that it is a replay")
    require(recorded(again) == recorded(first), "the replay differs from the response")
    teller.count(effects=0, settlements=0)


async def another_path(teller: Teller) -> None:
    """The same payment for something else is refused"""
    await teller.ask(422, "POST", "/premium/summary", "tea-1", json=TOPIC)
    teller.count(effects=0, settlements=0)


async def storm(teller: Teller) -> None:
    """Fifty at once with one payment: one side effect, fifty answers"""
    path = f"{REPORT}?seconds=0.5"
    requests = [teller.send("POST", path, "storm-1", json=TOPIC) for _ in range(STORM)]
    answers = await asyncio.gather(*requests)
    distinct = {(answer.status_code, answer.content) for answer in answers}
    status = answers[0].status_code
    teller.say(f"{STORM} × POST {path} → {len(distinct)} distinct answer, {status}")
    require(len(distinct) == 1 and status == 201, f"{len(distinct)} distinct answers")
    teller.count(effects=1, settlements=1)


async def origin_failure(teller: Teller) -> None:
    """The origin answers 503: not settled, and the retry succeeds"""
    teller.machine.outage(begins=True)
    await teller.ask(503, "POST", REPORT, "outage-1", json=TOPIC)
    teller.machine.outage(begins=False)
    skipped = _last_event(teller, "settle_skipped")
    teller.say(f"the gate logs settle_skipped: {skipped['reason']}")
    teller.count(effects=0, settlements=0)
    await teller.ask(201, "POST", REPORT, "outage-1", json=TOPIC)
    teller.count(effects=1, settlements=1)


async def no_facilitator_at_verify(teller: Teller) -> None:
    """The facilitator cannot be reached at verify: 500, the origin never hears of it"""
    teller.stop_facilitator()
    await teller.ask(500, "POST", REPORT, "verify-1", json=TOPIC)
    teller.start_facilitator()
    teller.count(effects=0, settlements=0)
    await teller.ask(201, "POST", REPORT, "verify-1", json=TOPIC)
    teller.count(effects=1, settlements=1)


async def no_facilitator_at_settle(teller: Teller) -> None:
    """It cannot be reached at settle: the response is delivered, the failure logged"""
    path = f"{REPORT}?seconds=1"
    request = asyncio.create_task(teller.ask(201, "POST", path, "settle-1", json=TOPIC))
    await _new_effect(teller)
    teller.stop_facilitator()
    await request
    failed = _last_event(teller, "settle")
    require(failed["settled"] is False, "the gate says that it settled")
    teller.say(f"the gate logs settle: {failed['error']}")
    teller.start_facilitator()
    teller.count(effects=1, settlements=0)
    await teller.ask(201, "POST", path, "settle-1", json=TOPIC)
    teller.count(effects=0, settlements=1)


async def slow_get(teller: Teller) -> None:
    """A GET is so slow that CloudFront asks twice: one side effect, one answer"""
    answer = await teller.ask(200, "GET", SLOW_JOKE, "slow-1")
    teller.say(f"CloudFront gave up after {RESPONSE_TIMEOUT:g} s and asked again")
    require(replayed(answer), "the answer is not that of the second attempt")
    teller.count(effects=1, settlements=1)


async def killed_worker(teller: Teller) -> None:
    """The worker is killed in the middle: outcome unknown, nothing is repeated"""
    request = asyncio.create_task(
        teller.ask(502, "POST", f"{REPORT}?seconds=30", "killed-1", json=TOPIC)
    )
    row = await _new_effect(teller)
    teller.say(f"SIGKILL for worker {row['pid']}, after the side effect")
    teller.machine.kill_worker(int(str(row["pid"])))
    await request
    again = await teller.ask(
        409, "POST", f"{REPORT}?seconds=30", "killed-1", json=TOPIC
    )
    require(again.json()["code"] == "outcome-unknown", f"{again.json()['code']}")
    teller.say(f"(the lease of {LEASE:g} s had to lapse first)")
    teller.count(effects=1, settlements=0)


async def no_redis(teller: Teller) -> None:
    """Redis is stopped: the handler does not run. Started again: served"""
    teller.machine.redis.stop()
    await teller.ask(503, "POST", REPORT, "redis-1", json=TOPIC)
    teller.count(effects=0, settlements=0)
    teller.machine.redis.start()
    await teller.ask(201, "POST", REPORT, "redis-1", json=TOPIC)
    kept = await teller.ask(200, "GET", SLOW_JOKE, "slow-1")
    require(replayed(kept), "the record did not survive the restart")
    teller.count(effects=1, settlements=1)


async def around_the_gate(teller: Teller) -> None:
    """Somebody reaches the origin directly, with a forged intent: refused"""
    direct = teller.machine.origin.url + REPORT
    forged = {"x-settlement-intent-id": "forged"}
    refused = await teller.ask(401, "POST", direct, headers=forged, json=TOPIC)
    require(refused.json()["code"] == "signature-refused", refused.text)
    await teller.ask(400, "POST", direct, json=TOPIC)
    teller.count(effects=0, settlements=0)


async def forged_intent(teller: Teller) -> None:
    """A client sends an intent of its own: it never reaches the origin"""
    forged = {"x-settlement-intent-id": "forged"}
    free = await teller.ask(200, "GET", "/health", headers=forged)
    require(free.json()["intent"] is None, "the forged intent reached a free path")
    await teller.ask(402, "POST", REPORT, headers=forged, json=TOPIC)
    await teller.ask(201, "POST", REPORT, "forged-1", headers=forged, json=TOPIC)
    intent = teller.machine.ledger.rows()[-1]["intent"]
    teller.say(f"the paid handler saw the intent {intent}")
    require(intent != "forged", "the forged intent reached a paid path")
    teller.count(effects=1, settlements=1)


STEPS: list[Step] = [
    no_payment,
    payment_and_retry,
    another_path,
    storm,
    origin_failure,
    no_facilitator_at_verify,
    no_facilitator_at_settle,
    slow_get,
    killed_worker,
    no_redis,
    forged_intent,
    around_the_gate,
]


async def _new_effect(teller: Teller) -> dict[str, object]:
    """The next row of the ledger: its handler is at work from then on."""
    ledger = teller.machine.ledger
    before = len(ledger.rows())
    async with asyncio.timeout(10):
        while len(ledger.rows()) == before:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.01)
    return ledger.rows()[-1]


def _last_event(teller: Teller, kind: str) -> dict[str, object]:
    events = [json.loads(line) for line in teller.machine.edge_log().splitlines()]
    found: dict[str, object] = [e for e in events if e["eventType"] == kind][-1]
    return found
