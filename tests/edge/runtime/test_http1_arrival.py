"""An answer that is cut, one that drips, and any at all, beside http.client."""

import json
import socket
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.runtime import channel as channels
from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.http1 import BadAnswer
from edge.runtime.nexflow import NexFlow
from tests.edge.examples import JOKE
from tests.edge.runtime.raw_answers import (
    CHUNKED,
    CUT,
    INTERIM,
    OK,
    chunk,
    counted,
    read,
    refused,
)
from tests.support.scripted_facilitator import VALID, ScriptedFacilitator, drip, wire

BODY = b'{"valid": true}'
WHOLE = {
    "counted": counted(BODY),
    "chunked": CHUNKED + chunk(BODY[:7]) + chunk(BODY[7:]) + b"0;a\r\nx: y\r\n\r\n",
    "after interim answers": INTERIM * 2 + counted(BODY),
    "lines end in LF": counted(BODY).replace(b"\r", b""),
}
each_whole = pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE.keys())


@each_whole
def test_an_answer_that_is_cut_anywhere_is_none(whole: bytes) -> None:
    assert refused(b"") == "it hung up"
    for end in range(1, len(whole)):
        assert refused(whole[:end]) == CUT, end
    assert read(whole)[1] == BODY


def test_a_facilitator_that_cuts_its_answer_anywhere_has_given_none(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    whole = counted(json.dumps(VALID).encode())
    for end in range(len(whole)):
        scripted.will(wire(whole[:end]))
        kind = CUT if end else "it hung up"
        said = NoAnswer(f"the facilitator could not be asked: {kind}")
        assert facilitator.verify(JOKE, {}, 2.0) == said
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert scripted.connections == len(whole) + 1


@each_whole
def test_an_answer_may_come_byte_by_byte(
    whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_MOST_AT_ONCE", 1)
    assert read(whole, ends=False) == (200, BODY, True)


def test_a_facilitator_that_drips_in_time_is_heard(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    for whole in WHOLE.values():
        scripted.will(drip(whole, 0.0005))
        assert facilitator.verify(JOKE, {}, 5.0) == Answer(200, {"valid": True})


# Beside another reader.


@st.composite
def well_formed(draw: st.DrawFn) -> bytes:
    """An answer by the grammar of RFC 9112, and what ends it."""
    version = draw(st.sampled_from([b"1.0", b"1.1"]))
    status = draw(st.integers(200, 599))
    reason = draw(st.sampled_from([b"", b" ", b" OK", b" I'm a \xfc"]))
    names = st.from_regex(rb"[A-Za-z!#$%&'*+.^_`|~-]{1,9}", fullmatch=True)
    values = st.from_regex(rb"[!-~\x80-\xff]([ \t!-~]{0,20}[!-~])?|", fullmatch=True)
    blanks = st.sampled_from([b"", b" ", b"\t", b"  "])
    fields = [
        b"x-%b:%b%b%b" % (name, draw(blanks), value, draw(blanks))
        for name, value in draw(st.lists(st.tuples(names, values), max_size=5))
    ]
    body = draw(st.binary(max_size=200))
    framing = draw(st.sampled_from(["length", "chunked", "connection"]))
    if status in (204, 304):
        framing, body = "none", b""
    if framing == "length":
        fields.append(b"Content-Length:%b%d" % (draw(blanks), len(body)))
    elif framing == "chunked":
        version = b"1.1"
        fields.append(b"Transfer-Encoding: chunked")
        body = draw(chunked(body))
    fields = draw(st.permutations(fields))
    continues = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n"]))
    head = b"\r\n".join(
        [b"HTTP/%b %d%b" % (version, status, reason), *fields, b"", b""]
    )
    return continues + head + body


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    chunks = []
    extensions = st.sampled_from([b"", b";a", b";a=b", b' ; a="b c"'])
    digits = st.sampled_from([b"%x", b"%X", b"0%x"])
    while body:
        size = draw(st.integers(1, len(body)))
        line = draw(digits) % size + draw(extensions)
        chunks.append(line + b"\r\n" + body[:size] + b"\r\n")
        body = body[size:]
    trailers = draw(st.sampled_from([b"", b"x-sum: 1\r\n", b"a: b\r\nc:\r\n"]))
    return b"".join(chunks) + b"0" + draw(extensions) + b"\r\n" + trailers + b"\r\n"


def read_by_another(sent: bytes) -> tuple[int, bytes]:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(sent)
        far.shutdown(socket.SHUT_WR)
        with HTTPResponse(near, method="POST") as response:
            response.begin()
            return response.status, response.read()


@given(well_formed(), st.integers(1, 64))
def test_a_well_formed_answer_is_read_as_by_http_client(
    answer: bytes, at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channels, "_MOST_AT_ONCE", at_once)
        assert read(answer)[:2] == read_by_another(answer)


@given(st.binary(max_size=300), st.sampled_from([b"", OK, CHUNKED]))
def test_any_bytes_are_an_answer_or_none(sent: bytes, before: bytes) -> None:
    try:
        status = read(before + sent)[0]
    except BadAnswer:
        return
    assert status >= 200
