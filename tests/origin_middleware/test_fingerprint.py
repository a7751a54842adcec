"""Every part of a request that may not differ changes the digest; nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from origin_middleware.request import fingerprint
from tests.support.asgi import http_scope

SIMPLE = http_scope(query=b"a=1")
PARTS = st.tuples(
    st.sampled_from(["GET", "POST"]),
    st.text(st.sampled_from("/ab"), max_size=6),
    st.text(st.sampled_from("=&ab"), max_size=6),
    st.binary(max_size=3),
)


def test_it_is_a_digest() -> None:
    assert len(fingerprint(SIMPLE, b"")) == 32


@given(PARTS, PARTS)
def test_two_requests_have_one_fingerprint_only_if_they_are_equal(
    one: tuple[str, str, str, bytes], other: tuple[str, str, str, bytes]
) -> None:
    digests = [
        fingerprint(
            http_scope(method=method, path="/" + path, query=query.encode()), body
        )
        for method, path, query, body in (one, other)
    ]
    assert (digests[0] == digests[1]) == (one == other)


def test_moving_a_byte_across_a_border_makes_another_request() -> None:
    one = http_scope(path="/a", query=b"b")
    other = http_scope(path="/ab", query=b"")
    assert fingerprint(one, b"") != fingerprint(other, b"")
    assert fingerprint(one, b"") != fingerprint(http_scope(path="/a"), b"b")


def test_headers_that_a_retry_may_change_do_not_count() -> None:
    retried = http_scope(
        query=b"a=1", headers=[(b"user-agent", b"other"), (b"via", b"1.1 cf")]
    )
    assert fingerprint(retried, b"") == fingerprint(SIMPLE, b"")


def test_the_key_itself_does_not_count() -> None:
    assert fingerprint(http_scope(key=b"x", query=b"a=1"), b"") == fingerprint(
        SIMPLE, b""
    )


def test_a_repeated_contract_header_is_not_its_values_joined() -> None:
    name = b"x-settlement-network"
    twice = http_scope(headers=[(name, b"a"), (name, b"b")])
    once = http_scope(headers=[(name, b"ab")])
    assert fingerprint(twice, b"") != fingerprint(once, b"")


def test_a_server_without_raw_path_is_supported() -> None:
    scope = http_scope(path="/café")
    del scope["raw_path"]
    assert len(fingerprint(scope, b"")) == 32
