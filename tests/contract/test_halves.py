"""The gate and the origin share no code, only a contract. Both are held to it here."""

from posixpath import normpath
from string import ascii_letters, digits, hexdigits

from hypothesis import example, given
from hypothesis import strategies as st

from edge.runtime import settlement as at_the_edge
from edge.runtime import signature as of_the_gate
from edge.runtime.intent import (
    CONTRACT_HEADERS,
    INTENT_HEADER,
    PROOF_HEADER,
    REPLAY_HEADER,
    contract_headers,
    is_intent,
)
from edge.runtime.routes import Route, match
from edge.runtime.signature import LIFETIME, Message, SigningKey
from origin_middleware import Policy
from origin_middleware.asgi import Scope
from origin_middleware.key import MalformedKey, read_key
from origin_middleware.policy import delivered
from origin_middleware.problem import PROBLEMS
from origin_middleware.request import fingerprint
from origin_middleware.routes import policy_of
from origin_middleware.signature import Distrust, checked_secrets, verify
from tests.support.asgi import http_scope

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]
NOW = 1_770_451_954
TOLERANCE = 5.0


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
    assert Policy().header == name


def test_every_header_that_the_gate_sends_it_also_takes_from_clients() -> None:
    message = Message("GET", "/", "", contract_headers("i", "r", "n"))
    signed = of_the_gate.signed(message, SigningKey("k", b"s" * 32), NOW)
    assert {*message.headers, *signed} == CONTRACT_HEADERS


@given(st.text(st.characters(max_codepoint=255), max_size=300))
def test_an_intent_that_the_gate_forwards_is_a_key_that_the_origin_takes(
    text: str,
) -> None:
    value = text.encode("latin-1")
    scope = http_scope(key=value)
    key = read_key(scope, dict(scope["headers"]), Policy().header, None)
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


_PATHS = st.lists(st.sampled_from(["", "a", "b", "ab"]), max_size=4).map("/".join)
_PATTERNS = ["/*", "/a", "/a/*", "/a/b", "/a/b/*", "/b/*", "/ab/a"]


@given(_PATHS.map("/".__add__), st.sets(st.sampled_from(_PATTERNS), min_size=1))
@example("/a", {"/a", "/a/*"})
@example("//a", {"/a"})
@example("/a/", {"/a"})
def test_a_path_has_the_policy_of_the_route_that_the_gate_matches(
    path: str, patterns: set[str]
) -> None:
    """As it is written, or else as an app may resolve it: the gate refuses such a path
    where that differs.
    """
    routes = [Route(each, "eip155:8453", each) for each in patterns]
    matched = match(path, routes) or match(normpath(f"/{path.lstrip('/')}"), routes)
    policies = {each: Policy(patience=at) for at, each in enumerate(sorted(patterns))}
    found = policy_of(policies, lambda _: None)(http_scope(path=path))
    assert found is (policies[matched.path] if matched else None)


# What a path and a query may have in them: what the wire allows, and bytes beyond
# ASCII, which no client should send and some do.
_WIRE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "?#%")
_ESCAPES = st.tuples(st.just("%"), st.text(hexdigits, min_size=2, max_size=2))
_PIECES = st.text(_WIRE + "é\xff€", max_size=6) | _ESCAPES.map("".join)
_TEXTS = st.lists(_PIECES, max_size=4).map("".join)
_VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
_KEYS = st.builds(
    SigningKey,
    id=st.text(ascii_letters + digits + "._-", min_size=1, max_size=64),
    secret=st.binary(min_size=32, max_size=80),
)
_MESSAGES = st.builds(
    Message,
    method=st.sampled_from(METHODS),
    path=_TEXTS.map("/".__add__),
    query=_TEXTS,
    headers=st.builds(contract_headers, _VISIBLE, _VISIBLE, _VISIBLE),
)


def _before_a_standard_facilitator(message: Message, proof: str, used: bool) -> Message:
    headers = dict(message.headers) | {PROOF_HEADER: proof}
    if used:
        headers[REPLAY_HEADER] = headers.pop(INTENT_HEADER)
    return message._replace(headers=headers)


_ALL = _MESSAGES | st.builds(
    _before_a_standard_facilitator, _MESSAGES, _VISIBLE, st.booleans()
)


def sealed(message: Message, key: SigningKey) -> Message:
    signature = of_the_gate.signed(message, key, NOW)
    return message._replace(headers={**message.headers, **signature})


def arrived(message: Message) -> Scope:
    """As an ASGI server passes it on: the bytes of the wire."""
    return {
        **http_scope(key=None),
        "method": message.method,
        "raw_path": message.path.encode(),
        "query_string": message.query.encode(),
        "headers": [
            (name.encode(), value.encode()) for name, value in message.headers.items()
        ],
    }


def refused_by_the_origin(
    message: Message, key: SigningKey, age: float = 0
) -> Distrust | None:
    secrets = checked_secrets({key.id: key.secret})
    verdict = verify(arrived(message), secrets, NOW + age, TOLERANCE)
    return verdict if isinstance(verdict, Distrust) else None


@given(_ALL, _KEYS)
def test_what_the_gate_signs_the_origin_accepts(
    message: Message, key: SigningKey
) -> None:
    signed = sealed(message, key)
    for age in (-TOLERANCE, 0, LIFETIME + TOLERANCE):
        assert refused_by_the_origin(signed, key, age) is None
    assert of_the_gate.distrust(signed, [key]) is None


@given(_MESSAGES, _MESSAGES, _KEYS, st.data())
def test_whatever_is_changed_both_halves_refuse(
    message: Message, other: Message, key: SigningKey, data: st.DataObject
) -> None:
    signed, others = sealed(message, key), sealed(other, key)
    part = data.draw(st.sampled_from(["method", "path", "query", *signed.headers]))
    if part in signed.headers:
        headers = {**signed.headers, part: others.headers[part]}
        changed = signed._replace(headers=headers)
    else:
        changed = signed._replace(**{part: getattr(others, part)})
    same = changed == signed
    assert (refused_by_the_origin(changed, key) is None) == same
    assert (of_the_gate.distrust(changed, [key]) is None) == same


@given(_ALL, _KEYS, _KEYS)
def test_another_secret_is_refused_by_both_halves(
    message: Message, key: SigningKey, other: SigningKey
) -> None:
    """Under its own name, and under that of the one that is known."""
    for forger in (other, other._replace(id=key.id)):
        forged = sealed(message, forger)
        same = forger == key
        assert (refused_by_the_origin(forged, key) is None) == same
        assert (of_the_gate.distrust(forged, [key]) is None) == same


@given(_ALL, _KEYS, st.text(ascii_letters + digits + '";=.,', max_size=9))
def test_whatever_is_added_to_what_was_signed_is_refused_by_both_halves(
    message: Message, key: SigningKey, text: str
) -> None:
    signed = sealed(message, key)
    for name in signed.headers:
        headers = {**signed.headers, name: signed.headers[name] + text}
        changed = signed._replace(headers=headers)
        assert (refused_by_the_origin(changed, key) is None) == (text == "")
        assert (of_the_gate.distrust(changed, [key]) is None) == (text == "")


def test_the_gates_signatures_end_at_the_origin() -> None:
    message = Message("GET", "/", "", contract_headers("i", "r", "n"))
    key = SigningKey("k", b"s" * 32)
    late = refused_by_the_origin(sealed(message, key), key, LIFETIME + TOLERANCE + 1)
    assert late is Distrust.EXPIRED
