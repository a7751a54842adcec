"""The recorded response goes out as it came in, or is refused as damaged."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from origin_middleware import RecordDamaged
from origin_middleware.response import StoredResponse

NAMES = st.text("abcXYZ019-_!", min_size=1, max_size=40).map(str.encode)
VALUES = st.binary(max_size=80).filter(
    lambda value: (
        value == value.strip(b" \t")
        and not any((byte < 32 and byte != 9) or byte == 127 for byte in value)
    )
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


@given(st.integers(200, 599), HEADERS, st.binary(max_size=500))
def test_what_was_recorded_is_what_is_read(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    response = StoredResponse(status, headers, body)
    assert StoredResponse.from_bytes(response.to_bytes()) == response


@given(st.integers(0, 40))
def test_a_record_cut_off_in_its_headers_is_damaged(length: int) -> None:
    whole = StoredResponse(
        200, [(b"content-type", b"text/plain; charset=utf-8")], b""
    ).to_bytes()
    with pytest.raises(RecordDamaged):
        StoredResponse.from_bytes(whole[: min(length, len(whole) - 1)])


def test_a_record_of_another_format_is_damaged() -> None:
    with pytest.raises(RecordDamaged, match="format 2"):
        StoredResponse.from_bytes(b"\x02" + StoredResponse(200, [], b"").to_bytes()[1:])


@given(st.binary(max_size=60))
def test_nothing_that_is_read_raises_anything_else(data: bytes) -> None:
    with suppress(RecordDamaged):
        StoredResponse.from_bytes(data)


def test_headers_can_be_left_out_in_any_case() -> None:
    response = StoredResponse(200, [(b"Set-Cookie", b"a"), (b"x-kept", b"1")], b"body")
    kept = StoredResponse(200, [(b"x-kept", b"1")], b"body")
    assert StoredResponse.from_bytes(response.to_bytes(["set-cookie"])) == kept


@pytest.mark.parametrize(
    ("status", "header"),
    [
        (99, (b"x-kept", b"1")),
        (101, (b"x-kept", b"1")),
        (200, (b"x kept", b"1")),
        (200, (b"", b"1")),
        (200, (b"x-kept", b"a\r\nb")),
        (200, (b"x-kept", b" 1")),
        (200, (b"x-kept", b"1\t")),
        (200, (b"x-kept", b"a\x0bb")),
        (200, (b"x-kept", b"a\x7fb")),
    ],
)
def test_a_record_that_no_server_can_send_is_damaged(
    status: int, header: tuple[bytes, bytes]
) -> None:
    recorded = StoredResponse(status, [header], b"").to_bytes()
    with pytest.raises(RecordDamaged, match="cannot be sent"):
        StoredResponse.from_bytes(recorded)
