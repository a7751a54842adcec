"""A real server on loopback, as bad as it is told to be."""

import json
from time import monotonic

import pytest

from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.http1 import LARGEST_ANSWER
from edge.runtime.nexflow import NexFlow
from edge.runtime.settlement import Settle
from tests.edge.examples import JOKE, exactly, settings_for
from tests.support.scripted_facilitator import (
    VALID,
    Conversation,
    ScriptedFacilitator,
    Step,
    answer,
    drip,
    hang,
    hang_up,
    raw,
    reset,
    wire,
)

DUE = Settle("intent-1", JOKE.resource_id, JOKE.network, 200)
LATE = NoAnswer("the facilitator did not answer in time")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n"
SLOW_BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 999


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\xff",
        b"NaN",
        b'{"a": Infinity}',
        b"[" * 60_000,
        b"1" * 9999,
        b'{"valid": false, "valid": true, "settlementIntentId": "a"}',
        b'{"valid": true, "settlementIntentId": "a", "settlementIntentId": "b"}',
        b'{"valid": false, "requirement": {"payTo": "a", "payTo": "b"}}',
    ],
    ids=[
        *("empty", "cut", "not text", "NaN", "Infinity", "deep", "digits"),
        *("valid twice", "intent twice", "twice below"),
    ],
)
def test_what_is_not_json_has_no_body(
    scripted: ScriptedFacilitator, facilitator: NexFlow, content: bytes
) -> None:
    scripted.will(raw(200, content))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, None)


@pytest.mark.parametrize(
    "step",
    [
        hang_up(),
        reset(),
        wire(b"\0\1\2 garbage\r\n\r\n"),
        wire(b"SSH-2.0-OpenSSH_9.6\r\n"),
        wire(b"HTTP/1.1 abc\r\n\r\n"),
        wire(b"HTTP/1.1 200 OK\r\ncontent-le"),
        wire(HEAD + b"\r\n{"),
        wire(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"),
        wire(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        wire(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"),
        wire(b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n"),
        raw(200, b" " * (LARGEST_ANSWER + 1)),
        wire(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LARGEST_ANSWER + 1)),
    ],
)
def test_what_is_no_complete_answer_is_no_answer(
    scripted: ScriptedFacilitator, facilitator: NexFlow, step: Step
) -> None:
    scripted.will(step)
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID), "and is forgotten"


def test_the_largest_answer_is_read(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    content = json.dumps(VALID).encode().ljust(LARGEST_ANSWER)
    scripted.will(raw(200, content))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)


def test_an_answer_that_ends_with_its_connection_is_read(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(wire(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(VALID).encode()))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)


def test_a_connection_that_ends_is_not_kept(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(200, VALID, {"connection": "close"}))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert scripted.connections == 2


def test_nobody_there_is_no_answer(scripted: ScriptedFacilitator) -> None:
    with ScriptedFacilitator() as gone:
        url = gone.url
    said = NexFlow(settings_for(url)).verify(JOKE, {}, 2.0)
    assert said == NoAnswer(
        "the facilitator could not be asked: ConnectionRefusedError"
    )


@pytest.mark.parametrize(
    "step",
    [
        hang(),
        drip(SLOW_BODY),
        drip(b"HTTP/1.1 200 OK\r\n" + b"a" * 999),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 99),
    ],
    ids=["hangs", "drips its body", "drips its head", "drips 100"],
)
def test_the_deadline_is_for_the_whole_call(
    scripted: ScriptedFacilitator, facilitator: NexFlow, step: Step
) -> None:
    scripted.will(step)
    started = monotonic()
    assert exactly(facilitator.verify(JOKE, {}, 0.15)) == exactly(LATE)
    assert 0.1 < monotonic() - started < 2


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_nothing_is_asked(
    scripted: ScriptedFacilitator, facilitator: NexFlow, seconds: float
) -> None:
    assert facilitator.verify(JOKE, {}, seconds) == LATE
    assert facilitator.settle(DUE, seconds) == LATE
    assert scripted.connections == 0


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + json.dumps(
    VALID
).encode().ljust(100)


def interim(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nlink: </x>; rel=preload\r\n\r\n".encode()


def said(*pieces: bytes) -> Step:
    """In one connection that is kept, each piece by itself."""

    def step(conversation: Conversation) -> None:
        for piece in pieces:
            conversation.wfile.write(piece)
            conversation.wfile.flush()

    return step


@pytest.mark.parametrize(
    "before",
    [
        [interim("100 Continue")],
        [interim("102 Processing")],
        [interim("103 Early Hints")],
        [interim("199 Whatever")] * 8,
        [interim("102 Processing") + interim("100 Continue") + interim("103 Hints")],
    ],
)
def test_an_interim_answer_is_not_the_answer(
    scripted: ScriptedFacilitator, facilitator: NexFlow, before: list[bytes]
) -> None:
    for pieces in ([*before, OK], [b"".join(before) + OK]):
        scripted.will(said(*pieces))
        assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
        scripted.will(said(*pieces))
        assert facilitator.settle(DUE, 2.0) == Answer(200, VALID)
    assert scripted.connections == 1


def test_too_many_interim_answers_are_no_answer(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(said(interim("102 Processing") * 9 + OK))
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)


def test_an_interim_answer_without_an_answer_is_late(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    def hangs(conversation: Conversation) -> None:
        conversation.wfile.write(interim("102 Processing"))
        hang()(conversation)

    scripted.will(hangs)
    assert facilitator.verify(JOKE, {}, 0.2) == LATE


def test_another_protocol_is_no_answer(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(said(interim("101 Switching Protocols") + OK))
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)
