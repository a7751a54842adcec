"""Where an answer ends: RFC 9112, section 6.3, and never a guess."""

import pytest

from edge.runtime.http1 import LARGEST_ANSWER
from tests.edge.runtime.raw_answers import (
    CHUNKED,
    MALFORMED,
    OK,
    TOO_LARGE,
    TOO_LONG,
    UNCLEAR,
    chunk,
    counted,
    read,
    refused,
)


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 2\r\ncontent-length: 3",
        b"content-length: 2, 3",
        b"content-length: 2,",
        b"content-length: 2\r\ncontent-length:",
        b"content-length:",
        b"content-length: -2",
        b"content-length: +2",
        b"content-length: 2.0",
        b"content-length: 0x2",
        b"content-length: 2_0",
        b"content-length: 2 0",
        b"content-length: 2\r\n 0",
        b"content-length: two",
        b"content-length: \xb2",
        b"transfer-encoding: gzip",
        b"transfer-encoding: identity",
        b"transfer-encoding: gzip, chunked",
        b"transfer-encoding: chunked, chunked",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked;a=b",
        b"transfer-encoding: chunked,",
        b"transfer-encoding: xchunked",
        b"transfer-encoding: \x0bchunked",
        b"transfer-encoding:",
        b"transfer-encoding: chunked\r\ncontent-length: 7",
        b"content-length: 7\r\ntransfer-encoding: chunked",
    ],
)
def test_an_unclear_length_is_not_guessed(fields: bytes) -> None:
    body = b"2\r\n{}\r\n0\r\n\r\n"
    assert refused(OK + fields + b"\r\n\r\n" + body) == UNCLEAR


def test_chunks_are_of_1_1() -> None:
    assert refused(CHUNKED.replace(b"/1.1", b"/1.0") + b"0\r\n\r\n") == UNCLEAR


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 2\r\ncontent-length: 2",
        b"content-length: 2, 2",
        b"content-length: 02",
    ],
)
def test_a_length_that_is_repeated_is_clear(fields: bytes) -> None:
    assert read(OK + fields + b"\r\n\r\n{}", ends=False) == (200, b"{}", True)


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"1\r\n{\r\n1\r\n}\r\n000\r\n\r\n", b"{}"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"0b\r\n\r\n0\r\n\r\n5678\r\n0\r\n\r\n", b"\r\n0\r\n\r\n5678"),
        (b"2;a\r\n{}\r\n0;b=c\r\n\r\n", b"{}"),
        (b'2 \t; a="b;c"\r\n{}\r\n0\r\n\r\n', b"{}"),
        (b"2\r\n{}\r\n0\r\nx-a: b\r\nContent-Length: 9\r\n\r\n", b"{}"),
        (b"2\n{}\n0\n\n", b"{}"),
    ],
)
def test_chunks(chunks: bytes, body: bytes) -> None:
    assert read(CHUNKED + chunks, ends=False) == (200, body, True)
    shouted = CHUNKED.replace(b"chunked", b" Chunked ")
    assert read(shouted + chunks, ends=False) == (200, body, True)


@pytest.mark.parametrize(
    "chunks",
    [
        *(b"\r\n", b"zz\r\n", b"0x2\r\n", b"+2\r\n", b"-2\r\n", b"2_0\r\n", b" 2\r\n"),
        *(b"2.\r\n", b"\xb2\r\n", b";a\r\n", b"2\r\r\n", b"2;\0\r\n"),
        *(b"2\r\n{}x\n0\r\n\r\n", b"2\r\n{}\r\r\n", b"1\r\n{\r\n\r\n"),
    ],
)
def test_what_is_no_chunk(chunks: bytes) -> None:
    assert refused(CHUNKED + chunks) in (MALFORMED, TOO_LONG)


def test_a_chunk_that_is_longer_than_it_says() -> None:
    assert refused(CHUNKED + b"2\r\n{}}}\r\n0\r\n\r\n", ends=False) == TOO_LONG


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize(
    "fields",
    [b"", b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n"],
)
def test_a_status_that_has_no_body(status: int, fields: bytes) -> None:
    """A connection that says otherwise is not used again."""
    head = b"HTTP/1.1 %d\r\n" % status
    assert read(head + fields + b"\r\n", ends=False) == (status, b"", not fields)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    assert read(OK + b"\r\n") == (200, b"", False)
    assert read(OK + b"connection: keep-alive\r\n\r\n{}") == (200, b"{}", False)


@pytest.mark.parametrize("excess", [0, 1])
def test_the_largest_answer(excess: int) -> None:
    body = b"a" * (LARGEST_ANSWER + excess)
    half = len(body) // 2
    for answer in (
        counted(body),
        CHUNKED + chunk(body) + b"0\r\n\r\n",
        CHUNKED + chunk(body[:half]) + chunk(body[half:]) + b"0\r\n\r\n",
        OK + b"\r\n" + body,
    ):
        if excess:
            assert refused(answer) == TOO_LARGE
        else:
            assert read(answer)[1] == body


@pytest.mark.parametrize("size", [b"65537", b"9" * 19, b"9" * 20, b"9" * 9_000])
def test_an_answer_that_says_it_is_too_large_is_not_read(size: bytes) -> None:
    length = OK + b"content-length: " + size
    assert refused(length + b"\r\n\r\n", ends=False) == TOO_LARGE
    assert refused(CHUNKED + size[:999] + b"\r\n", ends=False) == TOO_LARGE


def test_an_answer_without_an_end_is_too_large() -> None:
    assert refused(OK + b"\r\n" + b" " * 90_000, ends=False) == TOO_LARGE
