"""Answers as bytes, and what the gate reads in them, over a socket."""

import socket

import pytest

from edge.runtime.channel import Channel, Deadline
from edge.runtime.http1 import BadAnswer, read_answer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n"

CUT = "its answer is cut off"
MALFORMED = "a line of its answer is malformed"
NOT_HTTP = "its answer is not HTTP/1.1"
TOO_LARGE = "its answer is too large"
TOO_LONG = "a line of its answer is too long"
TOO_MANY = "its answer has too many header fields"
UNCLEAR = "the length of its answer is unclear"


def read(sent: bytes, *, ends: bool = True) -> tuple[int, bytes, bool]:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(sent)
        if ends:
            far.shutdown(socket.SHUT_WR)
        channel = Channel(near)
        channel.begin(Deadline(5))
        return read_answer(channel)


def refused(sent: bytes, *, ends: bool = True) -> str:
    with pytest.raises(BadAnswer) as bad:
        read(sent, ends=ends)
    return str(bad.value)


def counted(body: bytes, head: bytes = OK) -> bytes:
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
