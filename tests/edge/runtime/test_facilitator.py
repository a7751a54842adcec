"""What is asked, and what is read: against a real server on loopback."""

import pytest

from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.nexflow import NexFlow
from edge.runtime.settlement import Settle
from tests.edge.examples import JOKE, KEY, PROOF, settings_for
from tests.support.scripted_facilitator import (
    SETTLED,
    VALID,
    ScriptedFacilitator,
    answer,
    raw,
)

DUE = Settle("intent-1", JOKE.resource_id, JOKE.network, 200)
LATE = NoAnswer("the facilitator did not answer in time")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n"
SLOW_BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 999


def test_verify_asks_what_the_contract_says(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    headers = {"x402-payment": PROOF, "user-agent": "curl", "accept": "*/*"}
    assert facilitator.verify(JOKE, headers, 2.0) == Answer(200, VALID)
    (asked,) = scripted.asked
    assert asked.path == "/x402/verify"
    assert asked.headers["x-facilitator-auth"] == KEY
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["host"] == scripted.url.split("/")[2]
    assert asked.body == {
        "network": "eip155:8453",
        "resourceId": "joke-endpoint",
        "headers": headers,
    }


def test_settle_asks_what_the_contract_says(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    assert facilitator.settle(DUE, 2.0) == Answer(200, SETTLED)
    (asked,) = scripted.asked
    assert asked.path == "/x402/settle"
    assert asked.headers["x-facilitator-auth"] == KEY
    assert asked.body == {
        "network": "eip155:8453",
        "settlementIntentId": "intent-1",
        "resourceId": "joke-endpoint",
        "originStatus": 200,
    }


def test_the_facilitator_is_shown_an_allow_list_of_headers(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    secret = {"cookie": "session=1", "authorization": "Bearer x", "x-api-key": "y"}
    facilitator.verify(JOKE, secret | {"x402-payment": PROOF}, 2.0)
    assert scripted.asked[0].body["headers"] == {"x402-payment": PROOF}


@pytest.mark.parametrize("base", ["", "/", "/a/b", "/a/b/"])
def test_the_base_path_of_the_url_is_honoured(
    scripted: ScriptedFacilitator, base: str
) -> None:
    url = scripted.url.removesuffix("/x402") + base
    facilitator = NexFlow(settings_for(url))
    facilitator.verify(JOKE, {}, 2.0)
    facilitator.close()
    assert scripted.asked[0].path == base.rstrip("/") + "/verify"


def test_the_connection_is_kept_between_invocations(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    facilitator.verify(JOKE, {}, 2.0)
    facilitator.settle(DUE, 2.0)
    facilitator.verify(JOKE, {}, 2.0)
    assert (len(scripted.asked), scripted.connections) == (3, 1)


def test_an_answer_of_any_status_is_an_answer(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(429, {"error": "rate_limited"}), raw(502, b"<html>"))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(429, {"error": "rate_limited"})
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(502, None)


def test_a_redirect_is_not_followed(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(307, VALID, {"location": scripted.url + "/elsewhere"}))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(307, VALID)
    assert len(scripted.asked) == 1
