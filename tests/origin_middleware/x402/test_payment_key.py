"""`payment_key`: one payment has one key, however it is written; what cannot be read is
refused, and never passed on.
"""

import base64
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from origin_middleware import (
    IdempotencyMiddleware,
    MalformedKey,
    MemoryStore,
    Policy,
    ProvenKey,
)
from origin_middleware.x402 import payment_key
from origin_middleware.x402.solana import message
from tests.support import solana_payments as solana
from tests.support.asgi import App, http_scope, request
from tests.support.payments import (
    Json,
    decoded,
    encoded,
    pay,
    pay_with_permit2,
)

EIP3009 = pay()
PERMIT2 = pay_with_permit2()
SOLANA = encoded(solana.payment(solana.transaction()))


def found(*headers: str) -> ProvenKey | MalformedKey | None:
    lines = [(b"payment-signature", header.encode()) for header in headers]
    return payment_key(http_scope(key=None, headers=lines))


def key(header: str) -> str:
    proven = found(header)
    assert isinstance(proven, ProvenKey), proven
    return proven.key


def changed(header: str, change: Callable[[Json], Any]) -> str:
    payment = decoded(header)
    change(payment)
    return encoded(payment)


def member(*path: str, value: Any) -> Callable[[Json], None]:
    """Set a member; `...` takes it out."""

    def change(payment: Json) -> None:
        for name in path[:-1]:
            payment = payment.setdefault(name, {})
        payment[path[-1]] = value
        if value is ...:
            del payment[path[-1]]

    return change


@pytest.mark.parametrize("header", [EIP3009, PERMIT2, SOLANA])
def test_a_payment_has_a_key_and_a_proof(header: str) -> None:
    proven = found(header)
    assert isinstance(proven, ProvenKey)
    assert len(proven.key) == 69
    assert proven.key.startswith("x402_")
    assert proven == found(header)


def test_without_a_payment_there_is_no_key() -> None:
    assert found() is None
    v1 = [(b"x-payment", EIP3009.encode())]
    assert payment_key(http_scope(key=None, headers=v1)) is None


SAME = {
    "another end": member(
        "payload", "authorization", "validBefore", value="9999999999"
    ),
    "another amount": member("payload", "authorization", "value", value=" 1_000 "),
    "another signature": member("payload", "signature", value="0x00"),
    "another resource": member("resource", value={"url": "https://elsewhere.test"}),
    "an unknown member": member("accepted", "extra", "more", value="x"),
    "an identifier": member(
        "extensions", "payment-identifier", value={"info": {"id": "a" * 16}}
    ),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_one_payment_is_one_key_with_another_proof(
    change: Callable[[Json], None],
) -> None:
    before, after = found(EIP3009), found(changed(EIP3009, change))
    assert isinstance(before, ProvenKey)
    assert isinstance(after, ProvenKey)
    assert before.key == after.key
    assert before.proof != after.proof


def test_hexadecimal_digits_may_be_written_in_either_case() -> None:
    def upper(payment: Json) -> None:
        authorization = payment["payload"]["authorization"]
        for name in ("from", "nonce"):
            authorization[name] = "0x" + authorization[name][2:].upper()
        payment["accepted"]["asset"] = payment["accepted"]["asset"].lower()

    assert key(changed(EIP3009, upper)) == key(EIP3009)


OTHER = {
    "network": member("accepted", "network", value="eip155:8453"),
    "token": member("accepted", "asset", value="0x" + "1" * 40),
    "payer": member("payload", "authorization", "from", value="0x" + "1" * 40),
    "nonce": member("payload", "authorization", "nonce", value="0x" + "1" * 64),
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER.keys())
def test_what_the_chain_tells_apart_has_another_key(
    change: Callable[[Json], None],
) -> None:
    assert key(changed(EIP3009, change)) != key(EIP3009)


PERMITTED = ("payload", "permit2Authorization")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("accepted", "scheme"), "upto"),
        (("accepted", "asset"), "0x" + "1" * 40),
        ((*PERMITTED, "permitted", "token"), "0x" + "1" * 40),
        ((*PERMITTED, "spender"), "0x" + "1" * 40),
    ],
)
def test_a_nonce_of_permit2_serves_all_tokens_and_spenders(
    place: tuple[str, ...], value: str
) -> None:
    other = changed(PERMIT2, member(*place, value=value))
    assert other != PERMIT2
    assert key(other) == key(PERMIT2)


def test_the_signature_of_the_fee_payer_does_not_count() -> None:
    signed = solana.transaction()
    keys = set()
    for _ in range(20):
        filled = signed[:1] + os.urandom(64) + signed[65:]
        keys.add(key(encoded(solana.payment(filled))))
    assert len(keys) == 1
    assert key(encoded(solana.payment(solana.transaction()))) not in keys


def with_payload(**members: object) -> Callable[[Json], None]:
    return lambda payment: payment["payload"].update(members)


def twice(text: str, name: str) -> str:
    return text.replace(f'"{name}"', f'"{name}": null, "{name}"', 1)


def wrapped(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _refused() -> dict[str, str]:
    text = base64.b64decode(EIP3009).decode()
    nonce = ("payload", "authorization", "nonce")
    sender = ("payload", "authorization", "from")
    permit2 = ("payload", "permit2Authorization", "nonce")
    asset, network = ("accepted", "asset"), ("accepted", "network")
    identifier = ("extensions", "payment-identifier", "info")
    hexadecimal = decoded(EIP3009)["payload"]["authorization"]["nonce"]
    number = decoded(PERMIT2)["payload"]["permit2Authorization"]["nonce"]
    decoy = decoded(EIP3009)["payload"]["authorization"]
    ready = solana.transaction()
    edits = {
        "version 1": member("x402Version", value=1),
        "version as text": member("x402Version", value="2"),
        "version as true": member("x402Version", value=True),
        "version as float": member("x402Version", value=2.0),
        "no version": member("x402Version", value=...),
        "no accepted": member("accepted", value=...),
        "accepted is text": member("accepted", value="exact"),
        "no payload": member("payload", value=...),
        "payload is a list": member("payload", value=[]),
        "unknown scheme": member("accepted", "scheme", value="batch-settlement"),
        "scheme is a list": member("accepted", "scheme", value=["exact"]),
        "upto with EIP-3009": member("accepted", "scheme", value="upto"),
        "network as a number": member(*network, value=84532),
        "network of v1": member(*network, value="base-sepolia"),
        "network with a zero": member(*network, value="eip155:084532"),
        "network with a space": member(*network, value="eip155:84532 "),
        "network with a line feed": member(*network, value="eip155:84532\n"),
        "network of Solana": member(*network, value=solana.NETWORK),
        "short asset": member(*asset, value="0x12"),
        "asset without 0x": member(*asset, value="1" * 40),
        "no authorization": member("payload", "authorization", value=...),
        "no signature": member("payload", "signature", value=...),
        "authorization is text": member("payload", "authorization", value="x"),
        "sender as a list": member(*sender, value=["0x" + "1" * 40]),
        "sender with 0X": member(*sender, value="0X" + "1" * 40),
        "no nonce": member(*nonce, value=...),
        "nonce without 0x": member(*nonce, value=hexadecimal[2:]),
        "nonce with a space": member(*nonce, value=f"{hexadecimal} "),
        "nonce with spaces inside": member(*nonce, value="0x" + "11 " * 32),
        "short nonce": member(*nonce, value=hexadecimal[:-2]),
        "nonce in full width": member(*nonce, value="0x" + "１" * 64),
        "multi-use delegation": with_payload(permissionContext="0x", delegator="0x"),
        "a member more": with_payload(memo="x"),
        "both methods": with_payload(permit2Authorization={"nonce": "1"}),
        "short identifier": member(*identifier, "id", value="a" * 15),
        "long identifier": member(*identifier, "id", value="a" * 129),
        "identifier with a line feed": member(*identifier, "id", value="a" * 16 + "\n"),
        "identifier is a number": member(*identifier, "id", value=1),
        "identifier required": member(*identifier, "required", value=True),
        "extensions is a list": member("extensions", value=[]),
        "info is text": member(*identifier, value="x"),
    }
    of_permit2 = {
        "a decoy": with_payload(authorization=decoy),
        "number": member(*permit2, value=int(number)),
        "underscores": member(*permit2, value="1_0"),
        "leading zero": member(*permit2, value=f"0{number}"),
        "sign": member(*permit2, value=f"+{number}"),
        "negative": member(*permit2, value="-1"),
        "full width": member(*permit2, value="１２"),
        "above 2^256": member(*permit2, value=str(2**256)),
        "hexadecimal": member(*permit2, value="0x10"),
    }
    transactions = {
        "bytes behind": ready + b"\0",
        "cut": ready[:-1],
        "empty": b"",
        "no signatures": b"\0" + ready[129:],
        "a signature less": b"\1" + ready[65:],
        "a long count": b"\x82\x00" + ready[1:],
        "version 1": ready[:129] + b"\x81" + ready[130:],
    }
    return {
        **{name: changed(EIP3009, change) for name, change in edits.items()},
        **{f"Permit2: {n}": changed(PERMIT2, c) for n, c in of_permit2.items()},
        **{
            f"Solana: {name}": encoded(solana.payment(data))
            for name, data in transactions.items()
        },
        "Solana: not base64": changed(
            SOLANA, member("payload", "transaction", value="%")
        ),
        "Solana: line feed": changed(
            SOLANA,
            member(
                "payload",
                "transaction",
                value=base64.b64encode(ready).decode() + "\n",
            ),
        ),
        "Solana: on an EVM network": changed(
            SOLANA, member("accepted", "network", value="eip155:8453")
        ),
        "empty": "",
        "not base64": "%%%%",
        "a space": f" {EIP3009}",
        "a line feed": f"{EIP3009}\n",
        "text behind": f"{EIP3009}AAAA",
        "no padding": wrapped(text + " ").rstrip("=") + "==="[: len(text) % 3],
        "bits behind the end": _with_stray_bits(text),
        "base64url": base64.urlsafe_b64encode(
            text.encode().replace(b'"exact"', b'"exact", "\xc3\xbf\xc3\xbf\xc3\xbf": 0')
        ).decode(),
        "UTF-16": base64.b64encode(text.encode("utf-16")).decode(),
        "not UTF-8": base64.b64encode(text.encode() + b"\xff").decode(),
        "a byte order mark": wrapped("\ufeff" + text),
        "not JSON": wrapped(text[:-1]),
        "two values": wrapped(text + text),
        "NaN": wrapped(text.replace('"1000"', "NaN", 1)),
        "a member twice": wrapped(twice(text, "nonce")),
        "a member twice outside": wrapped(twice(text, "accepted")),
        "a list": wrapped("[]"),
        "null": wrapped("null"),
        "deep": wrapped("[" * 12_000),
        "a huge number": wrapped('{"x402Version":' + "9" * 6_000 + "}"),
        "over 16 KB": wrapped(text + " " * 13_000),
    }


def _with_stray_bits(text: str) -> str:
    """The same bytes: what stands behind the last one is ignored by most decoders."""
    padded = text + " " * ((1 - len(text)) % 3)
    encoded_text = wrapped(padded)
    assert encoded_text.endswith("==")
    last = encoded_text[-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stray = encoded_text[:-3] + alphabet[alphabet.index(last) + 1] + "=="
    assert base64.b64decode(stray) == padded.encode()
    return stray


REFUSED = _refused()


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_a_payment_that_cannot_be_keyed_is_refused(header: str) -> None:
    refused = found(header)
    assert isinstance(refused, MalformedKey), refused
    assert refused.reason.startswith("PAYMENT-SIGNATURE: ")
    assert len(refused.reason) < 200


def test_two_payments_in_one_request_are_refused() -> None:
    assert isinstance(found(EIP3009, EIP3009), MalformedKey)


@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_refused(header: bytes) -> None:
    lines = [(b"payment-signature", header)]
    assert isinstance(payment_key(http_scope(key=None, headers=lines)), MalformedKey)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
PATHS = [
    (),
    ("x402Version",),
    ("accepted",),
    ("accepted", "scheme"),
    ("accepted", "network"),
    ("accepted", "asset"),
    ("payload",),
    ("payload", "authorization"),
    ("payload", "authorization", "from"),
    ("payload", "authorization", "nonce"),
]


@given(st.sampled_from(PATHS), ANY_JSON)
def test_any_json_in_any_place_is_refused(path: tuple[str, ...], value: Any) -> None:
    header = changed(EIP3009, member(*path, value=value)) if path else encoded(value)
    result = found(header)
    assert isinstance(result, MalformedKey) or value in (2, "exact")


@given(st.data())
def test_a_changed_byte_of_a_transaction_is_refused_or_counts(
    data: st.DataObject,
) -> None:
    """As solders reads it: two transactions are one payment where their messages are
    the same."""
    whole = solana.transaction()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    try:
        ours = message(other)
    except ValueError:
        return
    theirs = VersionedTransaction.from_bytes(other).message
    assert ours == to_bytes_versioned(theirs)


async def test_over_asgi_a_refusal_says_why_and_runs_nothing() -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=Policy(key_of=payment_key)
    )
    for header in REFUSED.values():
        lines = [(b"payment-signature", header.encode())]
        refused = await request(app, key=None, headers=lines)
        assert (refused.status, refused.code) == (400, "key-malformed")
    both = [(b"payment-signature", REFUSED["both methods"].encode())]
    assert b"payload must be" in (await request(app, key=None, headers=both)).body
    assert inner.executions == 0


async def test_another_proof_of_the_same_payment_is_another_request() -> None:
    """Seen on the chain, with a signature of zeros or under another identifier: the
    recorded answer is not for strangers."""
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=Policy(key_of=payment_key)
    )
    stranger = changed(EIP3009, member("payload", "signature", value="0x" + "0" * 130))
    identifier = {"payment-identifier": {"info": {"id": "another-id-of-16"}}}
    renamed = changed(EIP3009, member("extensions", value=identifier))
    statuses = [
        (
            await request(
                app, key=None, headers=[(b"payment-signature", header.encode())]
            )
        ).status
        for header in (EIP3009, stranger, renamed, EIP3009)
    ]
    assert statuses == [200, 422, 422, 200]
    assert inner.executions == 1


async def test_one_payment_is_not_one_for_each_tenant() -> None:
    inner = App()
    policy = Policy(key_of=payment_key, tenant_of=lambda scope: scope["path"])
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    paid = [(b"payment-signature", EIP3009.encode())]
    first = await request(app, key=None, headers=paid, path="/a")
    assert first.status == 200
    assert (await request(app, key=None, headers=paid, path="/b")).status == 422
    assert inner.executions == 1
