"""What the gate writes, what it takes for the head of an answer, and what it keeps."""

import pytest

from edge.runtime.http1 import post
from edge.runtime.nexflow import NexFlow
from tests.edge.examples import JOKE, settings_for
from tests.edge.runtime.raw_answers import (
    CHUNKED,
    INTERIM,
    MALFORMED,
    NOT_HTTP,
    OK,
    TOO_LONG,
    TOO_MANY,
    counted,
    read,
    refused,
)
from tests.support.scripted_facilitator import ScriptedFacilitator

# What is written.


def test_a_question_is_one_message() -> None:
    assert post("/x402/verify", {"host": "a.example", "x-key": "k v"}, b"{}") == (
        b"POST /x402/verify HTTP/1.1\r\nhost: a.example\r\nx-key: k v\r\n"
        b"accept-encoding: identity\r\ncontent-length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize("wrong", ["\r\na: b", "\n", "\r", "\0", "\x7f", "ä", "\u2028"])
def test_what_would_end_a_line_is_not_written(wrong: str) -> None:
    for path, headers in (
        (f"/a{wrong}", {}),
        ("/a", {"x-key": f"a{wrong}b"}),
        ("/a", {f"x-{wrong}": "a"}),
    ):
        with pytest.raises(ValueError, match="character"):
            post(path, headers, b"")


def test_a_path_with_a_space_is_not_written() -> None:
    with pytest.raises(ValueError, match="character"):
        post("/a HTTP/1.1", {}, b"")


def test_a_key_that_would_end_a_line_is_sent_to_nobody(
    scripted: ScriptedFacilitator,
) -> None:
    settings = settings_for(scripted.url)._replace(api_key="a\r\nx-admin: true")
    with pytest.raises(ValueError, match="character"):
        NexFlow(settings).verify(JOKE, {}, 2.0)
    assert scripted.connections == 0


# The head.


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"HTTP/1.1 200 OK", 200),
        (b"HTTP/1.0 200 OK", 200),
        (b"HTTP/1.1 200 ", 200),
        (b"HTTP/1.1 200", 200),
        (b"HTTP/1.1 404 Not \xff Found", 404),
        (b"HTTP/1.1 999 ?", 999),
    ],
)
def test_a_status_line(line: bytes, status: int) -> None:
    assert read(counted(b"{}", line + b"\r\n"))[:2] == (status, b"{}")


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"HTTP/1.1", b"HTTP/1.1 ", b"200 OK", b"SSH-2.0-OpenSSH_9.6"),
        *(b"HTTP/1.2 200 OK", b"HTTP/2 200 OK", b"http/1.1 200 OK", b" HTTP/1.1 200"),
        *(b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 20", b"HTTP/1.1 20 "),
        *(b"HTTP/1.1 2000", b"HTTP/1.1 099", b"HTTP/1.1 +20", b"HTTP/1.1 abc"),
        *(b"HTTP/1.1 2\xb2\xb2", b"HTTP/1.1 200OK"),
    ],
)
def test_what_is_no_status_line(line: bytes) -> None:
    """Is judged at once, and not when a head is complete."""
    assert refused(line + b"\r\n", ends=False) == NOT_HTTP


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 2\r\n\n",
        OK + b"content-length:2\r\n\r\n",
        OK + b"Content-Length: \t 2 \t\r\n\r\n",
        OK + b"CONTENT-LENGTH: 2\r\nx:\r\ny: \r\n\r\n",
        OK + b"x: a\r\n b\r\ncontent-length:\r\n\t2\r\n\r\n",
        OK + b"x: \xff\xfe: ;\r\ncontent-length: 2\r\n\r\n",
    ],
)
def test_lines_may_end_in_either_way_and_values_in_blanks(head: bytes) -> None:
    assert read(head + b"{}", ends=False) == (200, b"{}", True)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"no-colon",
            b"no colon",
            b": no name",
            b"x : a",
            b"x\t: a",
            b" x: a",
            b"\tx: a",
            b"a b:",
        ),
        *(b"x: a\rb", b"x: a\0b", b"x\0: a", b"x: a\r\r", b"x\x0b: a"),
    ],
)
def test_what_is_no_field(line: bytes) -> None:
    assert refused(OK + line + b"\r\n\r\n") == MALFORMED
    assert refused(CHUNKED + b"0\r\n" + line + b"\r\n\r\n") == MALFORMED


def test_a_head_has_a_hundred_fields_at_most() -> None:
    fields = b"content-length: 2\r\n" + b"a: b\r\n" * 99
    assert read(OK + fields + b"\r\n{}")[1] == b"{}"
    assert refused(OK + fields + b"a: b\r\n\r\n{}") == TOO_MANY
    assert refused(OK + b"a: b\r\n" + b" c\r\n" * 100) == TOO_MANY
    assert refused(CHUNKED + b"0\r\n" + b"a: b\r\n" * 101) == TOO_MANY


@pytest.mark.parametrize(
    "endless",
    [
        b"",
        OK,
        OK + b"a: ",
        CHUNKED,
        CHUNKED + b"1;",
        CHUNKED + b"0\r\n",
    ],
)
def test_a_line_without_an_end_is_too_long(endless: bytes) -> None:
    """Nothing of it is waited for."""
    assert refused(endless + b"1" * 40_000, ends=False) == TOO_LONG


def test_the_largest_head() -> None:
    line = b"x: %b\r\n" % (b"a" * 9_000)
    assert read(counted(b"{}", OK + line * 3)) == (200, b"{}", True)
    assert refused(counted(b"{}", OK + line * 4)) == TOO_LONG


# Interim answers.


@pytest.mark.parametrize("count", [1, 8])
def test_an_interim_answer_is_skipped(count: int) -> None:
    assert read(INTERIM * count + counted(b"{}"), ends=False) == (200, b"{}", True)


def test_no_body_belongs_to_an_interim_answer() -> None:
    interim = b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n"
    assert read(interim + counted(b"{}"), ends=False) == (200, b"{}", True)


def test_what_never_comes_to_an_answer() -> None:
    assert refused(INTERIM * 9 + counted(b"{}")) == "it does not come to its answer"
    switched = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"
    assert refused(switched + counted(b"{}")) == "it speaks another protocol now"


# Whether the connection is kept.


@pytest.mark.parametrize(
    ("version", "connection", "is_kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"connection: keep-alive\r\n", True),
        (b"1.1", b"connection: close\r\n", False),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"connection: keep-alive, CLOSE \r\n", False),
        (b"1.1", b"connection: x\r\nconnection: close\r\n", False),
        (b"1.1", b"connection: closed, x-close\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"connection: Keep-Alive\r\n", True),
        (b"1.0", b"connection: x, keep-alive\r\n", True),
        (b"1.0", b"connection: keep-alive, close\r\n", False),
        (b"1.0", b"keep-alive: timeout=5\r\n", False),
    ],
)
def test_a_connection_is_kept(version: bytes, connection: bytes, is_kept: bool) -> None:
    answer = counted(b"{}", b"HTTP/%b 200 OK\r\n" % version + connection)
    assert read(answer, ends=False) == (200, b"{}", is_kept)


@pytest.mark.parametrize(
    "answer", [counted(b"{}"), CHUNKED + b"0\r\n\r\n", b"HTTP/1.1 204\r\n\r\n"]
)
def test_a_connection_with_something_left_over_is_not_kept(answer: bytes) -> None:
    assert read(answer + b"H", ends=False)[2] is False
