"""What a facilitator can answer to /supported, and what the operator reads then."""

from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection, create_server
from threading import Thread

import pytest

from edge.build.supported import ask
from edge.errors import Refused

TOKEN = "Bearer SECRETTOKEN"


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says this to whoever connects, and what it was asked."""
    asked: list[bytes] = []
    with create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                connection, _ = listening.accept()
                with connection:
                    said = connection.recv(65_536)
                    if said:
                        asked.append(said)
                        connection.sendall(answer)
                    else:
                        return

        thread = Thread(target=serve)
        thread.start()
        host, port = listening.getsockname()
        try:
            yield f"http://{host}:{port}/x402/supported", asked
        finally:
            with create_connection((host, port)):
                pass
            thread.join()


def http(status: int, body: bytes = b"", *lines: str) -> bytes:
    head = [f"HTTP/1.1 {status} -", f"content-length: {len(body)}", *lines]
    return "\r\n".join([*head, "connection: close", "", ""]).encode() + body


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"220 mail ready\r\n", "right, and does it answer"),
        (b"HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\nz\r\n", "right, and"),
        (http(200, b"{}", "x: " + "a" * 70_000), "right, and does it answer"),
        (http(200, b"{}", *["x: a"] * 200), "right, and does it answer"),
        (http(200, b"[" * 200_000), "right, and does it answer"),
        (http(200, b"<html>"), "right, and does it answer"),
        (http(200, b" " * 2_000_000), "more than 1,048,576 bytes"),
        (http(401), "Is the key right"),
        (http(404), "Is X402_FACILITATOR_URL right"),
        (http(429), "Repeat the command"),
        (http(503), "Repeat the command"),
    ],
    ids=range(11),
)
def test_an_answer_that_cannot_be_used(answer: bytes, says: str) -> None:
    with answering(answer) as (url, _), pytest.raises(Refused, match=says):
        ask(url, {"authorization": TOKEN})


def test_the_token_does_not_follow_a_redirect() -> None:
    """urllib would take it along, to any host."""
    with answering(http(200, b"{}")) as (elsewhere, asked):
        redirect = http(302, b"", f"location: {elsewhere}")
        with (
            answering(redirect) as (url, _),
            pytest.raises(Refused, match="set X402_FACILITATOR_URL to"),
        ):
            ask(url, {"authorization": TOKEN})
        assert not asked
