"""CDP's tokens, checked by another implementation of Ed25519."""

import json
from base64 import b64encode, urlsafe_b64decode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.runtime.x402.cdp import Tokens, sign

SEED = bytes(range(32))


def test_signatures_are_those_of_rfc_8032() -> None:
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    for message in (b"", b"a", b"x" * 1_000):
        assert sign(SEED, message) == private.sign(message)


def test_a_token_is_for_one_path_and_kept_for_100_seconds() -> None:
    now = [1_000_000.0]
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    secret = SEED + private.public_key().public_bytes_raw()
    tokens = Tokens("key-1", b64encode(secret).decode(), "api.test", lambda: now[0])
    token = tokens.token("/x402/verify")
    signed, _, signature = token.rpartition(".")
    private.public_key().verify(urlsafe_b64decode(signature + "=="), signed.encode())
    header, claims = (
        json.loads(urlsafe_b64decode(p + "===")) for p in signed.split(".")
    )
    assert header["alg"] == "EdDSA"
    assert header["kid"] == "key-1"
    assert claims == {
        "sub": "key-1",
        "iss": "cdp",
        "iat": 1_000_000,
        "nbf": 1_000_000,
        "exp": 1_000_120,
        "uris": ["POST api.test/x402/verify"],
    }
    assert tokens.token("/x402/settle") != token
    now[0] += 99
    assert tokens.token("/x402/verify") == token
    now[0] += 2
    assert tokens.token("/x402/verify") != token
