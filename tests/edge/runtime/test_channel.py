"""Deadlines, connections and names, each from below."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from edge.runtime.channel import Channel, Deadline, first_of, open_channel
from edge.runtime.gate import NoAnswer
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import endpoint
from sample_origin.processes import free_port
from tests.edge.examples import JOKE, settings_for
from tests.support.scripted_facilitator import (
    ScriptedFacilitator,
)


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield Channel(near), far


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


def test_a_reset_connection_is_not_quiet(pair: tuple[Channel, socket.socket]) -> None:
    channel, far = pair
    channel.begin(Deadline(2.0))
    channel.sendall(b"never read")
    far.close()
    assert not channel.is_quiet()


def test_a_peer_that_does_not_read_cannot_hold_a_sender(
    pair: tuple[Channel, socket.socket],
) -> None:
    channel, _ = pair
    channel.begin(Deadline(0.05))
    with pytest.raises(TimeoutError):
        channel.sendall(b" " * 10_000_000)


def test_a_peer_that_reads_slowly_cannot_hold_a_sender(
    pair: tuple[Channel, socket.socket],
) -> None:
    channel, far = pair
    over = Event()

    def sip() -> None:
        while not over.wait(0.01):
            far.recv(100_000)

    reader = Thread(target=sip)
    reader.start()
    channel.begin(Deadline(0.1))
    with pytest.raises(TimeoutError):
        channel.sendall(b" " * 20_000_000)
    over.set()
    far.shutdown(socket.SHUT_RD)  # the reader may have emptied it, and wait for more
    reader.join()


def test_a_name_that_does_not_resolve_in_time_is_given_up() -> None:
    over = Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        over.wait()
        return []

    facilitator = NexFlow(settings_for("http://slow.example"), resolve=resolve)
    started = monotonic()
    said = facilitator.verify(JOKE, {}, 0.1)
    over.set()
    assert said == NoAnswer("the facilitator did not answer in time")
    assert monotonic() - started < 2


def test_a_name_that_does_not_exist_is_no_answer() -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    facilitator = NexFlow(settings_for("http://no.example"), resolve=resolve)
    said = facilitator.verify(JOKE, {}, 2.0)
    assert said == NoAnswer("the facilitator could not be asked: gaierror")


def test_a_name_without_an_address_is_no_answer() -> None:
    facilitator = NexFlow(
        settings_for("http://none.example"), resolve=lambda *_, **__: []
    )
    said = facilitator.verify(JOKE, {}, 2.0)
    assert said == NoAnswer("the facilitator could not be asked: OSError")


def test_a_name_that_cannot_be_a_name_is_no_answer() -> None:
    facilitator = NexFlow(settings_for(f"http://{'a' * 70}.example"))
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)


@pytest.fixture
def dead() -> Iterator[Any]:
    """A full backlog drops what comes: as silent as an address behind a firewall."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as silent,
        ExitStack() as waiting,
    ):
        address = silent.getsockname()
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        yield address


def connected(url: str, deadline: Deadline, *addresses: Any) -> float:
    """How long it takes to connect to a name that has these addresses."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    found = [(*kind, address) for address in addresses]
    started = monotonic()
    open_channel(endpoint(url), None, lambda *_, **__: found, deadline).hang_up()
    return monotonic() - started


@pytest.mark.parametrize("count", [1, 7, 30])
def test_a_dead_address_does_not_keep_the_next_from_its_turn(
    dead: Any, count: int
) -> None:
    with ScriptedFacilitator() as scripted:
        there = ("127.0.0.1", endpoint(scripted.url).port)
        for seconds in (0.4, 2.5):
            addresses = (*[dead] * count, there)
            assert connected(scripted.url, Deadline(seconds), *addresses) < 2


def test_an_address_that_is_slow_is_not_given_up_for_the_next(dead: Any) -> None:
    """One of eight has answered after 156 ms or never: they shared the time."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as slow,
        ExitStack() as waiting,
    ):
        for _ in range(2):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(slow.getsockname())
        over = Event()
        slow.settimeout(5)

        def accept_later() -> None:
            over.wait(0.5)
            with suppress(TimeoutError):
                for _ in range(3):
                    waiting.enter_context(slow.accept()[0])

        server = Thread(target=accept_later)
        server.start()
        addresses = (slow.getsockname(), *[dead] * 7)
        took = connected("http://slow.example", Deadline(2.5), *addresses)
        server.join()
    assert 0.4 < took < 2.4


def test_an_address_that_refuses_gives_its_turn_away_at_once() -> None:
    with ScriptedFacilitator() as scripted:
        there = ("127.0.0.1", endpoint(scripted.url).port)
        refusing = ("127.0.0.1", free_port())
        addresses = (*[refusing] * 8, there)
        assert connected(scripted.url, Deadline(2.5), *addresses) < 0.2


def test_where_every_address_fails_the_last_failure_counts() -> None:
    refusing = ("127.0.0.1", free_port())
    with pytest.raises(ConnectionRefusedError):
        connected("http://a.example", Deadline(2.5), refusing, refusing)


def test_where_every_address_is_dead_the_deadline_counts(dead: Any) -> None:
    with pytest.raises(TimeoutError):
        connected("http://a.example", Deadline(0.3), dead, dead)


def test_the_first_result_counts_and_the_last_failure() -> None:
    def fails() -> str:
        raise OSError("first")

    over = Event()
    assert first_of([fails, lambda: "done"], Deadline(2)) == "done"
    assert first_of([lambda: str(over.wait()), lambda: "done"], Deadline(2)) == "done"
    with pytest.raises(OSError, match="first"):
        first_of([fails, fails], Deadline(2))
    with pytest.raises(TimeoutError):
        first_of([lambda: str(over.wait()), fails], Deadline(0.1))
    over.set()
