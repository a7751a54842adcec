"""What the gate signs, by the letter, and what it takes for its own again."""

from base64 import b64encode
from hashlib import sha256

import pytest

from edge.runtime.intent import contract_headers
from edge.runtime.signature import LIFETIME, Message, SigningKey, distrust, signed
from tests.edge.examples import NOW, SECRET, SIGNING

OTHER = SigningKey("2026-01", b"abcdefghij-ANOTHERSECRET-0123456789")
TOLD = contract_headers("intent-1", "joke-endpoint", "eip155:8453")
MESSAGE = Message("GET", "/api/joke", "a=1&b=%20", TOLD)
MISSING = "the signature is missing"
UNKNOWN = "the signature is by an unknown key"
WRONG = "the signature does not fit the request"


def sealed(message: Message = MESSAGE, key: SigningKey = SIGNING) -> Message:
    """As the origin gets it."""
    headers = {**message.headers, **signed(message, key, NOW)}
    return message._replace(headers=headers)


def hmac_sha256(secret: bytes, text: bytes) -> bytes:
    """RFC 2104, spelt out."""
    block = secret.ljust(64, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in block) + text).digest()
    return sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def test_the_signature_is_that_of_rfc_9421() -> None:
    params = (
        '("@method" "@path" "@query" "x-settlement-intent-id"'
        ' "x-settlement-resource-id" "x-settlement-network")'
        ';created=1770451954;expires=1770452554;keyid="2026-02"'
    )
    base = (
        '"@method": GET\n'
        '"@path": /api/joke\n'
        '"@query": ?a=1&b=%20\n'
        '"x-settlement-intent-id": intent-1\n'
        '"x-settlement-resource-id": joke-endpoint\n'
        '"x-settlement-network": eip155:8453\n'
        f'"@signature-params": {params}'
    )
    digest = hmac_sha256(SECRET.encode(), base.encode())
    assert signed(MESSAGE, SIGNING, NOW) == {
        "signature-input": f"settlement={params}",
        "signature": f"settlement=:{b64encode(digest).decode()}:",
    }


def test_a_signature_outlives_cloudfronts_longest_way_to_the_origin() -> None:
    """Three attempts, each up to 10 s to connect and up to 180 s to wait."""
    assert 2 * (10 + 180) + 10 < LIFETIME <= 3600


def test_what_was_signed_is_recognised() -> None:
    assert distrust(sealed(), [SIGNING]) is None


def test_both_secrets_of_a_rotation_are_recognised() -> None:
    for key in (SIGNING, OTHER):
        for keys in ([SIGNING, OTHER], [OTHER, SIGNING]):
            assert distrust(sealed(key=key), keys) is None


def test_a_gate_that_does_not_sign_has_nothing_to_recognise() -> None:
    assert distrust(MESSAGE, []) is None


@pytest.mark.parametrize("name", ["signature", "signature-input"])
@pytest.mark.parametrize("value", [None, ""])
def test_without_a_signature_nothing_is_recognised(
    name: str, value: str | None
) -> None:
    headers = {key: text for key, text in sealed().headers.items() if key != name}
    if value is not None:
        headers[name] = value
    assert distrust(MESSAGE._replace(headers=headers), [SIGNING]) == MISSING


def test_another_secret_under_the_same_name_is_not_recognised() -> None:
    forged = sealed(key=SIGNING._replace(secret=OTHER.secret))
    assert distrust(forged, [SIGNING]) == WRONG


def test_an_unknown_key_is_not_recognised() -> None:
    assert distrust(sealed(key=OTHER), [SIGNING]) == UNKNOWN


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"path": "/api/jok"},
        {"path": "/api/joke/"},
        {"path": "/api/jok%65"},
        {"query": ""},
        {"query": "a=1&b= "},
        *({"headers": {**sealed().headers, name: "other"}} for name in TOLD),
        *({"headers": {**sealed().headers, name: ""}} for name in TOLD),
    ],
)
def test_a_signature_of_something_else_is_not_recognised(
    change: dict[str, object],
) -> None:
    assert distrust(sealed()._replace(**change), [SIGNING]) == WRONG  # type: ignore[arg-type] # one field each


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("signature", "settlement=::", WRONG),
        ("signature", sealed().headers["signature"][:-2], WRONG),
        ("signature", sealed().headers["signature"] * 2, WRONG),
        ("signature", "settlement=:\xe9\ud800:", WRONG),
        ("signature-input", "x", UNKNOWN),
        ("signature-input", ';keyid="2026-02"', WRONG),
        ("signature-input", sealed().headers["signature-input"][1:], WRONG),
        ("signature-input", sealed().headers["signature-input"] + ";tag=1", UNKNOWN),
        (
            "signature-input",
            sealed().headers["signature-input"].replace("expires=1", "expires=2"),
            WRONG,
        ),
    ],
)
def test_a_damaged_signature_is_not_recognised(
    name: str, value: str, reason: str
) -> None:
    damaged = sealed()._replace(headers={**sealed().headers, name: value})
    assert distrust(damaged, [SIGNING]) == reason


def test_a_late_signature_is_recognised_still() -> None:
    """A slow origin has delivered; late is not forged. `expires` is for the origin."""
    late = {**TOLD, **signed(MESSAGE, SIGNING, NOW - 10 * LIFETIME)}
    assert distrust(MESSAGE._replace(headers=late), [SIGNING]) is None


@pytest.mark.parametrize("text", ["/\xe9", "/\u20ac", "/\ud800", "/\0\n"])
def test_nothing_that_a_path_can_be_keeps_it_from_being_signed(text: str) -> None:
    message = MESSAGE._replace(path=text, query=text)
    assert distrust(sealed(message), [SIGNING]) is None
    assert distrust(sealed(message)._replace(path="/"), [SIGNING]) == WRONG


def test_a_key_does_not_print_its_secret() -> None:
    assert "SECRET" not in f"{SIGNING} {SIGNING!r} {[SIGNING]}"
