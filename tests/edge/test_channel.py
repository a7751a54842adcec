"""Deadlines, connections and TLS, each from below."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest

from edge.channel import Channel, Deadline, open_channel
from edge.facilitator import Facilitator
from edge.gate import Answer, NoAnswer
from edge.settings import endpoint
from tests.edge.examples import JOKE, settings_for
from tests.support.scripted_facilitator import (
    VALID,
    ScriptedFacilitator,
    answer_and_hang_up,
    drip,
)

# Made for these tests and known to nobody: CN=127.0.0.1, until 2126.
CERTIFICATE = Path(__file__).with_name("loopback.pem")


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield Channel(near), far


@pytest.fixture
def secure() -> Iterator[ScriptedFacilitator]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    with ScriptedFacilitator(tls) as facilitator:
        yield facilitator


@pytest.fixture
def trusting(secure: ScriptedFacilitator) -> Iterator[Facilitator]:
    tls = ssl.create_default_context(cafile=str(CERTIFICATE))
    facilitator = Facilitator(settings_for(secure.url), tls=tls)
    yield facilitator
    facilitator.close()


def test_a_deadline_counts_down_and_then_refuses() -> None:
    times = iter([100.0, 100.5, 101.75, 102.0])
    deadline = Deadline(2.0, lambda: next(times))
    assert (deadline.left(), deadline.left()) == (1.5, 0.25)
    with pytest.raises(TimeoutError):
        deadline.left()


def test_a_silent_connection_is_quiet(pair: tuple[Channel, socket.socket]) -> None:
    channel, _ = pair
    assert channel.is_quiet()


def test_bytes_nobody_asked_for_are_not_quiet(
    pair: tuple[Channel, socket.socket],
) -> None:
    """They would be read as the next answer, and let somebody else's request in."""
    channel, far = pair
    far.sendall(b"HTTP/1.1 200 OK\r\n")
    assert not channel.is_quiet()


def test_a_closed_connection_is_not_quiet(pair: tuple[Channel, socket.socket]) -> None:
    channel, far = pair
    far.close()
    assert not channel.is_quiet()


def test_a_peer_that_does_not_read_cannot_hold_a_sender(
    pair: tuple[Channel, socket.socket],
) -> None:
    channel, _ = pair
    channel.begin(Deadline(0.05))
    with pytest.raises(TimeoutError):
        channel.sendall(b" " * 10_000_000)


def test_a_name_that_does_not_resolve_in_time_is_given_up() -> None:
    over = Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        over.wait()
        return []

    facilitator = Facilitator(settings_for("http://slow.example"), resolve=resolve)
    started = monotonic()
    said = facilitator.verify(JOKE, {}, 0.1)
    over.set()
    assert said == NoAnswer("the facilitator did not answer in time")
    assert monotonic() - started < 0.6


def test_a_name_that_does_not_exist_is_no_answer() -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    facilitator = Facilitator(settings_for("http://no.example"), resolve=resolve)
    said = facilitator.verify(JOKE, {}, 2.0)
    assert said == NoAnswer("the facilitator could not be asked: gaierror")


def test_a_name_without_an_address_is_no_answer() -> None:
    facilitator = Facilitator(
        settings_for("http://none.example"), resolve=lambda *_, **__: []
    )
    said = facilitator.verify(JOKE, {}, 2.0)
    assert said == NoAnswer("the facilitator could not be asked: OSError")


def test_a_name_that_cannot_be_a_name_is_a_bug_of_the_build() -> None:
    facilitator = Facilitator(settings_for(f"http://{'a' * 70}.example"))
    with pytest.raises(UnicodeError):
        facilitator.verify(JOKE, {}, 2.0)


def test_a_dead_address_does_not_keep_the_next_from_its_turn() -> None:
    with ScriptedFacilitator() as scripted, socket.create_server(("127.0.0.1", 0)) as s:
        dead = ("127.0.0.1", s.getsockname()[1])
        s.close()
        there = ("127.0.0.1", endpoint(scripted.url).port)

        def resolve(*_: object, **__: object) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, dead), (*kind, there)]

        channel = open_channel(endpoint(scripted.url), None, resolve, Deadline(2.0))
        channel.hang_up()


def test_tls_connections_are_kept(
    secure: ScriptedFacilitator, trusting: Facilitator
) -> None:
    """Session tickets come with the first answer and do not disturb the quiet."""
    for _ in range(3):
        assert trusting.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert (len(secure.asked), secure.connections) == (3, 1)


def test_a_tls_connection_that_was_closed_meanwhile_is_not_used(
    secure: ScriptedFacilitator, trusting: Facilitator
) -> None:
    secure.will(answer_and_hang_up(200, VALID))
    trusting.verify(JOKE, {}, 2.0)
    assert secure.disconnected.wait(5)
    assert trusting.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert len(secure.asked) == 2


def test_the_deadline_holds_over_tls(
    secure: ScriptedFacilitator, trusting: Facilitator
) -> None:
    secure.will(drip(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 999))
    started = monotonic()
    said = trusting.verify(JOKE, {}, 0.3)
    assert said == NoAnswer("the facilitator did not answer in time")
    assert monotonic() - started < 0.8


def test_a_handshake_that_hangs_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        started = monotonic()
        said = Facilitator(settings_for(url)).verify(JOKE, {}, 0.15)
    assert said == NoAnswer("the facilitator did not answer in time")
    assert monotonic() - started < 0.6


def test_a_certificate_that_nobody_vouches_for_is_refused(
    secure: ScriptedFacilitator,
) -> None:
    said = Facilitator(settings_for(secure.url)).verify(JOKE, {}, 2.0)
    kind = "SSLCertVerificationError"
    assert said == NoAnswer(f"the facilitator could not be asked: {kind}")
    assert secure.asked == []
