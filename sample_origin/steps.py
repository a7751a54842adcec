"""One payment and its retries, step by step: a docstring is the title of its step."""

import asyncio
import json

from .machine import LEASE, RESPONSE_TIMEOUT
from .story import Step, Story, recorded, replayed, require

JOKE, REPORT = "/api/joke", "/premium/report"
SLOW_JOKE = f"{JOKE}?seconds={RESPONSE_TIMEOUT + 1:g}"
TOPIC, OTHER_TOPIC = {"topic": "tea"}, {"topic": "coffee"}
STORM = 50


async def no_payment(story: Story) -> None:
    """Without a payment there is no answer, only the price"""
    answer = await story.ask(402, "GET", JOKE)
    network = story.machine.payer.network(answer)
    story.say(f"to be paid on {network}")
    require(network.startswith("eip155:"), "the requirement names no network")
    story.require_added(effects=0, settlements=0)


async def payment(story: Story) -> None:
    """One payment: one side effect, one settlement"""
    proof = story.payment("tea")
    story.answers[proof] = await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def retry(story: Story) -> None:
    """A retry gets the same bytes, and nothing happens again"""
    proof = story.payment("tea")
    again = await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    require(replayed(again), "the answer is not marked as a replay")
    first = recorded(story.answers[proof])
    require(recorded(again) == first, "the replay differs from the response")
    story.require_added(effects=0, settlements=0)


async def another_body(story: Story) -> None:
    """The same payment with another body is refused"""
    proof = story.payment("tea")
    await story.ask(422, "POST", REPORT, proof, json=OTHER_TOPIC)
    story.require_added(effects=0, settlements=0)


async def another_path(story: Story) -> None:
    """The same payment for something else is refused"""
    proof = story.payment("tea")
    await story.ask(422, "POST", "/premium/summary", proof, json=TOPIC)
    story.require_added(effects=0, settlements=0)


async def storm(story: Story) -> None:
    """Fifty requests at once with one payment: one side effect, fifty answers"""
    path, proof = f"{REPORT}?seconds=0.5", story.payment("storm")
    requests = [story.send("POST", path, proof, json=TOPIC) for _ in range(STORM)]
    answers = await asyncio.gather(*requests)
    distinct = {(answer.status_code, answer.content) for answer in answers}
    status = answers[0].status_code
    story.say(f"{STORM} × POST {path} → {len(distinct)} distinct answer, {status}")
    require(len(distinct) == 1 and status == 201, f"{len(distinct)} distinct answers")
    story.require_added(effects=1, settlements=1)


async def origin_failure(story: Story) -> None:
    """The origin answers 503: no settlement, and the retry succeeds"""
    proof = story.payment("outage")
    with story.machine.outage():
        await story.ask(503, "POST", REPORT, proof, json=TOPIC)
    skipped = _last_event(story, "settle_skipped")
    story.say(f"the gate logs settle_skipped: {skipped['reason']}")
    story.require_added(effects=0, settlements=0)
    await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def no_facilitator_at_verify(story: Story) -> None:
    """The facilitator is down at verify: 500, and the origin sees no request"""
    proof = story.payment("verify")
    async with story.without_facilitator():
        await story.ask(500, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=0, settlements=0)
    await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def no_facilitator_at_settle(story: Story) -> None:
    """The facilitator is down at settle: the response arrives, the failure is logged"""
    path, proof = f"{REPORT}?seconds=1", story.payment("settle")
    request = asyncio.create_task(story.ask(201, "POST", path, proof, json=TOPIC))
    await _new_effect(story)
    async with story.without_facilitator():
        await request
        failed = _last_event(story, "settle")
        require(failed["settled"] is False, "the gate logs a settlement")
        story.say(f"the gate logs settle: {failed['error']}")
    story.require_added(effects=1, settlements=0)
    await story.ask(201, "POST", path, proof, json=TOPIC)
    story.require_added(effects=0, settlements=1)


async def slow_get(story: Story) -> None:
    """A GET is so slow that CloudFront sends it twice: one side effect, one answer"""
    answer = await story.ask(200, "GET", SLOW_JOKE, story.payment("slow"))
    story.say(f"CloudFront gave up after {RESPONSE_TIMEOUT:g} s and sent it again")
    require(replayed(answer), "the answer is not the one to the second attempt")
    story.require_added(effects=1, settlements=1)


async def killed_before_its_effect(story: Story) -> None:
    """A worker is killed before its side effect: nothing happened, the retry runs"""
    path, proof = f"{REPORT}?before=3", story.payment("before")
    story.machine.ledger.waiting.unlink(missing_ok=True)  # of an earlier request
    request = asyncio.create_task(story.ask(502, "POST", path, proof, json=TOPIC))
    pid = await _waiting_process(story)
    story.say(f"worker {pid} is killed, before the side effect")
    story.machine.kill_worker(pid)
    await request
    story.require_added(effects=0, settlements=0)
    await story.ask(201, "POST", path, proof, json=TOPIC)
    story.require_added(effects=1, settlements=1)


async def killed_worker(story: Story) -> None:
    """A worker is killed after it: the outcome is unknown, nothing is repeated"""
    path, proof = f"{REPORT}?seconds=30", story.payment("after")
    request = asyncio.create_task(story.ask(502, "POST", path, proof, json=TOPIC))
    row = await _new_effect(story)
    story.say(f"worker {row['pid']} is killed, after the side effect")
    story.machine.kill_worker(int(str(row["pid"])))
    await request
    again = await story.ask(409, "POST", path, proof, json=TOPIC)
    require(again.json()["code"] == "outcome-unknown", f"{again.json()['code']}")
    story.say(f"(after the lease of {LEASE:g} s had expired)")
    story.require_added(effects=1, settlements=0)


async def redis_stops(story: Story) -> None:
    """Redis is down: the handler does not run"""
    kept = story.payment("kept")
    story.answers[kept] = await story.ask(201, "POST", REPORT, kept, json=TOPIC)
    story.require_added(effects=1, settlements=1)
    await asyncio.to_thread(story.machine.stop_redis)
    await story.ask(503, "POST", REPORT, story.payment("redis"), json=TOPIC)
    story.require_added(effects=0, settlements=0)


async def redis_starts(story: Story) -> None:
    """Redis is back: the handler runs, and the records are still there"""
    await asyncio.to_thread(story.machine.start_redis)
    await story.ask(201, "POST", REPORT, story.payment("redis"), json=TOPIC)
    story.require_added(effects=1, settlements=1)
    kept = story.payment("kept")
    again = await story.ask(201, "POST", REPORT, kept, json=TOPIC)
    require(replayed(again), "the record did not survive the restart")
    first = recorded(story.answers[kept])
    require(recorded(again) == first, "the replay differs from the response")
    story.require_added(effects=0, settlements=0)


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
    proof = story.payment("forged")
    await story.ask(201, "POST", REPORT, proof, headers=forged, json=TOPIC)
    intent = story.machine.ledger.rows()[-1]["intent"]
    story.say(f"the paid handler saw the intent {intent}")
    require(intent != "forged", "the forged intent reached a paid path")
    story.require_added(effects=1, settlements=1)


STEPS: list[Step] = [
    no_payment,
    payment,
    retry,
    another_body,
    another_path,
    storm,
    origin_failure,
    no_facilitator_at_verify,
    no_facilitator_at_settle,
    slow_get,
    killed_before_its_effect,
    killed_worker,
    redis_stops,
    redis_starts,
    forged_intent,
    around_the_gate,
]


async def lost_settlement(story: Story) -> None:
    """The money moves, and the answer to settle is lost: asked again, paid once"""
    await _settled_in_the_end(story, "lost")


async def pending_settlement(story: Story) -> None:
    """The facilitator does not know yet (settlement_pending): asked again, paid once"""
    await _settled_in_the_end(story, "pending_500")


async def unknown_settlement(story: Story) -> None:
    """Settle answers 503 twice: the answer arrives, and the retry pays for it"""
    proof = story.payment("unknown")
    await asyncio.to_thread(story.machine.spoil_settlements, "503", "503")
    await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=1, settlements=0)
    again = await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    require(replayed(again), "the handler ran a second time")
    story.require_added(effects=0, settlements=1)


async def refused_settlement(story: Story) -> None:
    """The payer has no money at settle: 402, and the answer stays on record"""
    proof = story.payment("broke")
    await asyncio.to_thread(story.machine.spoil_settlements, "broke")
    await story.ask(402, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=1, settlements=0)
    again = await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    require(replayed(again), "the handler ran a second time")
    story.require_added(effects=0, settlements=1)


async def _settled_in_the_end(story: Story, fault: str) -> None:
    proof = story.payment(fault)
    await asyncio.to_thread(story.machine.spoil_settlements, fault)
    await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    story.require_added(effects=1, settlements=1)
    again = await story.ask(201, "POST", REPORT, proof, json=TOPIC)
    require(replayed(again), "the handler ran a second time")
    story.require_added(effects=0, settlements=0)


X402_STEPS: list[Step] = [
    *STEPS,
    lost_settlement,
    pending_settlement,
    unknown_settlement,
    refused_settlement,
]
"""What only a standard facilitator can do to a payment comes last."""


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
