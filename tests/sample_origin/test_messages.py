"""What the participants write down: where it passed, and nothing that pays."""

import asyncio
import hashlib
import json

import httpx
import pytest

from sample_origin.machine import Machine
from sample_origin.messages import shown
from sample_origin.steps import around_the_gate, forged_intent, payment
from sample_origin.story import Story


async def played(machine: Machine) -> list[str]:
    """The proofs of its payments."""
    async with httpx.AsyncClient(base_url=machine.cloudfront.url) as http:
        story = Story(machine, http)
        for step in (payment, forged_intent, around_the_gate):
            await step(story)
        return [story.payment("tea"), story.payment("forged")]


@pytest.fixture(scope="module")
def written(machine: Machine) -> tuple[str, list[str]]:
    """The file, and what must not be in it: proofs first."""
    secrets = asyncio.run(played(machine))
    secrets += [str(row["intent"]) for row in machine.ledger.rows()[-2:]]
    secrets += [machine.signing_secret, "nf_test_demo"]
    return machine.messages.path.read_text(), secrets


def test_no_secret_is_written_down(written: tuple[str, list[str]]) -> None:
    text, secrets = written
    assert len(secrets) == 6
    for secret in secrets:
        assert secret not in text


def test_a_payment_can_be_followed_through_the_chain(
    written: tuple[str, list[str]],
) -> None:
    text, (proof, *_) = written
    digest = hashlib.sha256(proof.encode()).hexdigest()[:12]
    lines = [json.loads(line) for line in text.splitlines()]
    ways = [(line["from"], line["to"]) for line in lines if digest in json.dumps(line)]
    assert ways == [
        ("client", "cloudfront"),
        ("cloudfront", "gate"),
        ("gate", "facilitator"),
        ("gate", "cloudfront"),
        ("cloudfront", "worker"),
    ]


def test_a_request_that_is_refused_unread_is_written_down_before_its_answer(
    written: tuple[str, list[str]],
) -> None:
    lines = [json.loads(line) for line in written[0].splitlines()]
    direct = [
        (line["from"], line["title"])
        for line in lines
        if {line["from"], line["to"]} == {"client", "worker"}
    ]
    assert direct[-4:] == [
        ("client", "POST /premium/report"),
        ("worker", "401"),
        ("client", "POST /premium/report"),
        ("worker", "400"),
    ]


def test_bodies_are_shown_without_what_is_secret_in_them() -> None:
    masked = json.loads(
        shown(b'{"a": [{"headers": {"X402-Payment": "p"}}], "settlementIntentId": "i"}')
    )
    assert masked["a"][0]["headers"]["X402-Payment"].startswith("sha256:148de9c5a7a4")
    assert masked["settlementIntentId"].startswith("sha256:")
    assert json.loads(shown(b'{"intent": null}')) == {"intent": None}
    assert shown(b"plain \xff") == "plain \ufffd"
    assert shown(b"x" * 5_000).endswith("x… (5000 bytes)")
