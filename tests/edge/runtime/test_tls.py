"""The same promises over TLS, and whom it trusts."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.nexflow import NexFlow
from tests.edge.examples import JOKE, settings_for
from tests.support.scripted_facilitator import (
    VALID,
    ScriptedFacilitator,
    answer_and_hang_up,
    drip,
)

# Made for these tests and trusted nowhere else: CN=127.0.0.1, until 2126.
CERTIFICATE = Path(__file__).with_name("loopback.pem")


@pytest.fixture
def secure() -> Iterator[ScriptedFacilitator]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    with ScriptedFacilitator(tls) as facilitator:
        yield facilitator


@pytest.fixture
def trusting(secure: ScriptedFacilitator) -> Iterator[NexFlow]:
    tls = ssl.create_default_context(cafile=str(CERTIFICATE))
    facilitator = NexFlow(settings_for(secure.url), tls=tls)
    yield facilitator
    facilitator.close()


def test_tls_connections_are_kept(
    secure: ScriptedFacilitator, trusting: NexFlow
) -> None:
    """Session tickets come with the first answer and do not disturb the quiet."""
    for _ in range(3):
        assert trusting.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert (len(secure.asked), secure.connections) == (3, 1)


def test_a_tls_connection_that_was_closed_meanwhile_is_not_used(
    secure: ScriptedFacilitator, trusting: NexFlow
) -> None:
    secure.will(answer_and_hang_up(200, VALID))
    trusting.verify(JOKE, {}, 2.0)
    assert secure.disconnected.wait(5)
    assert trusting.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert len(secure.asked) == 2


def test_the_deadline_holds_over_tls(
    secure: ScriptedFacilitator, trusting: NexFlow
) -> None:
    secure.will(drip(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 999))
    started = monotonic()
    said = trusting.verify(JOKE, {}, 0.3)
    assert said == NoAnswer("the facilitator did not answer in time")
    assert monotonic() - started < 2


def test_a_handshake_that_hangs_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        started = monotonic()
        said = NexFlow(settings_for(url)).verify(JOKE, {}, 0.15)
    assert said == NoAnswer("the facilitator did not answer in time")
    assert monotonic() - started < 2


def test_a_certificate_that_nobody_vouches_for_is_refused(
    secure: ScriptedFacilitator,
) -> None:
    said = NexFlow(settings_for(secure.url)).verify(JOKE, {}, 2.0)
    kind = "SSLCertVerificationError"
    assert said == NoAnswer(f"the facilitator could not be asked: {kind}")
    assert secure.asked == []
