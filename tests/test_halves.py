"""The gate and the origin share no code, only a contract. Both are held to it here."""

from hypothesis import given
from hypothesis import strategies as st

from edge import delivered as at_the_edge
from edge.intent import CONTRACT_HEADERS, contract_headers, is_intent
from origin_middleware import Policy
from origin_middleware.delivered import delivered
from origin_middleware.fingerprint import fingerprint
from origin_middleware.key import MalformedKey
from origin_middleware.problem import PROBLEMS
from tests.support.asgi import http_scope

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]


def test_a_response_is_recorded_exactly_when_it_is_settled() -> None:
    for method in METHODS:
        for status in range(100, 1000):
            settled = at_the_edge.settles("delivered", method, status)
            assert delivered(method, status) == settled, (method, status)


def test_a_refusal_is_never_settled_whatever_the_rule() -> None:
    for problem in PROBLEMS.values():
        for method in METHODS:
            assert not at_the_edge.settles("delivered", method, problem.status)
            assert not at_the_edge.settles("below-400", method, problem.status)


def test_the_key_is_read_from_the_header_that_carries_the_intent() -> None:
    (name,) = [
        n for n, value in contract_headers("i", "r", "n").items() if value == "i"
    ]
    assert Policy().header_name == name.encode()


def test_every_header_that_the_gate_sends_it_also_takes_from_clients() -> None:
    assert contract_headers("i", "r", "n").keys() <= CONTRACT_HEADERS


@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_an_intent_that_the_gate_forwards_is_a_key_that_the_origin_takes(
    text: str,
) -> None:
    value = text.encode("latin-1")
    key = Policy().key(http_scope(key=value))
    assert isinstance(key, MalformedKey) == (not is_intent(text))


def test_what_the_gate_says_about_the_payment_is_in_the_fingerprint() -> None:
    digests = {
        fingerprint(http_scope(key=None, headers=_sent(resource, network)), b"")
        for resource in ("a", "b")
        for network in ("a", "b")
    }
    assert len(digests) == 4


def _sent(resource: str, network: str) -> list[tuple[bytes, bytes]]:
    sent = contract_headers("intent-1", resource, network)
    return [(name.encode(), value.encode()) for name, value in sent.items()]
