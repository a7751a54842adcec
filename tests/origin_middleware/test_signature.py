"""Is a request from the gate? Signed by an independent implementation of RFC 9421."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from http_message_signatures import (
    HTTPMessageSigner,
    MappingKeyResolver,
    algorithms,
)

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    admission,
    signature,
)
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send
from origin_middleware.signature import Distrust, verify
from tests.support.asgi import App, Connection, http_scope, request

NOW = 1_800_000_000
SECRETS = {"old": b"o" * 32, "new": b"n" * 32}
HEADERS = {
    "x-settlement-intent-id": "intent-1",
    "x-settlement-resource-id": "joke-endpoint",
    "x-settlement-network": "eip155:8453",
}
COVERED = ("@method", "@path", "@query", *HEADERS)


def signed(
    keyid: str = "new",
    covered: tuple[str, ...] = COVERED,
    target: str = "/premium/report?a=1&b=%20",
    age: int = 0,
    lasts: int = 60,
    headers: dict[str, str] = HEADERS,
    **options: Any,
) -> httpx.Request:
    """A request as the gate sends it, by `http-message-signatures`."""
    message = httpx.Request("POST", f"https://example.com{target}", headers=headers)
    secret = SECRETS.get(keyid, b"?" * 32)
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={keyid: secret}),
    )
    signer.sign(
        message,
        key_id=keyid,
        created=datetime.fromtimestamp(NOW - age, UTC),
        expires=datetime.fromtimestamp(NOW - age + lasts, UTC),
        label=options.pop("label", "settlement"),
        include_alg=options.pop("include_alg", False),
        covered_component_ids=covered,
        **options,
    )
    return message


def scope_of(message: httpx.Request) -> Scope:
    path, _, query = message.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "method": message.method,
        "path": message.url.path,
        "raw_path": path,
        "query_string": query,
        "headers": [(name.lower(), value) for name, value in message.headers.raw],
    }


def judged(message: httpx.Request, now: float = NOW) -> Distrust | None:
    verdict = verify(scope_of(message), SECRETS, now, tolerance=5)
    return verdict if isinstance(verdict, Distrust) else None


def changed(message: httpx.Request, **headers: str) -> httpx.Request:
    for name, value in headers.items():
        message.headers[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize("keyid", ["old", "new"])
@pytest.mark.parametrize("target", ["/", "/a?", "/a?x=%2F&y", "/%6a/b%2fc"])
@pytest.mark.parametrize("include_alg", [True, False])
def test_what_somebody_else_signed_is_trusted(
    keyid: str, target: str, include_alg: bool
) -> None:
    message = signed(keyid, target=target, include_alg=include_alg)
    assert judged(message) is None


@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_without_a_signature_nothing_is_trusted(name: str) -> None:
    message = signed()
    del message.headers[name]
    assert judged(message) is Distrust.MISSING


@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_a_repeated_signature_is_not_trusted(name: str) -> None:
    scope = scope_of(signed())
    scope["headers"] += [pair for pair in scope["headers"] if pair[0] == name.encode()]
    assert verify(scope, SECRETS, NOW, 5) is Distrust.MISSING


@pytest.mark.parametrize("name", list(HEADERS))
def test_every_signed_header_counts(name: str) -> None:
    assert judged(changed(signed(), **{name: "other"})) is Distrust.WRONG
    message = signed()
    del message.headers[name]
    assert judged(message) is Distrust.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"raw_path": b"/premium/other"},
        {"query_string": b"a=2"},
        {"query_string": b""},
    ],
)
def test_the_request_itself_counts(change: dict[str, object]) -> None:
    scope = {**scope_of(signed()), **change}
    assert verify(scope, SECRETS, NOW, 5) is Distrust.WRONG


def test_another_secret_under_a_known_key_id_is_not_trusted() -> None:
    scope = scope_of(signed("new"))
    assert verify(scope, {"new": b"x" * 32}, NOW, 5) is Distrust.WRONG


def test_an_unknown_key_id_is_not_trusted() -> None:
    assert judged(signed("revoked")) is Distrust.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW - 5, None),
        (NOW - 6, Distrust.NOT_YET_VALID),
        (NOW + 65, None),
        (NOW + 66, Distrust.EXPIRED),
    ],
)
def test_a_signature_counts_for_its_time_give_or_take_the_tolerance(
    now: float, expected: Distrust | None
) -> None:
    assert judged(signed(), now) is expected


@pytest.mark.parametrize(
    "message",
    [
        signed(covered=COVERED[:-1]),
        signed(covered=tuple(reversed(COVERED))),
        signed(covered=(*COVERED, "@authority")),
        signed(label="other"),
        signed(nonce="x"),
        signed(tag="x"),
        changed(signed(), signature="settlement=:AAA:"),
        changed(signed(), signature="settlement=::"),
        changed(signed(), signature="other=:AAAA:"),
        changed(signed(), signature_input="settlement=()"),
        changed(signed(), signature_input=""),
    ],
)
def test_any_other_form_than_the_gates_is_not_trusted(message: httpx.Request) -> None:
    assert judged(message) in (Distrust.MALFORMED, Distrust.MISSING)


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        ";created=1",
        ';created=1;expires=2;keyid="new";keyid="new"',
        ';created=x;expires=2;keyid="new"',
        ';created="1";expires=2;keyid=new',
        ';created=1;expires=2;keyid="new";alg="rsa-pss-sha512"',
        ';created=1;expires=2;keyid="n"ew"',
        ";created=-1;expires=2;keyid=1",
    ],
)
def test_parameters_that_are_missing_or_odd_are_not_trusted(parameters: str) -> None:
    covered = " ".join(f'"{name}"' for name in COVERED)
    message = changed(signed(), signature_input=f"settlement=({covered}){parameters}")
    assert judged(message) in (Distrust.MALFORMED, Distrust.UNKNOWN_KEY)


async def test_the_middleware_refuses_what_is_not_signed() -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), secrets=SECRETS, clock=lambda: NOW
    )
    forged = await request(app)
    assert (forged.status, forged.code) == (401, "signature-refused")
    assert b"the signature is missing" in forged.body
    assert dict(forged.headers)[b"www-authenticate"] == b"Signature"
    assert inner.executions == 0


async def test_the_middleware_serves_what_is_signed_until_it_expires() -> None:
    inner, now = App(), [float(NOW)]
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), secrets=SECRETS, clock=lambda: now[0]
    )
    scope = scope_of(signed())
    path = str(scope["path"])
    options: dict[str, Any] = {
        "key": None,
        "path": path,
        "query": scope["query_string"],
        "headers": scope["headers"],
    }
    assert (await request(app, **options)).status == 200
    assert (await request(app, **options)).status == 200
    now[0] += 66
    assert (await request(app, **options)).code == "signature-refused"
    assert inner.executions == 1


async def test_without_secrets_it_is_said_once_what_that_means(
    caplog: pytest.LogCaptureFixture,
) -> None:
    admission._warn_unverified.cache_clear()
    app = IdempotencyMiddleware(App(), store=MemoryStore())
    await request(app, key=None)
    assert caplog.text == ""
    for key in (b"1", b"2"):
        await request(app, key=key)
    assert caplog.text.count("Keys are taken on trust") == 1


@pytest.mark.parametrize(
    ("policy", "times"),
    [
        (Policy(header="idempotency-key"), 1),
        (Policy(header="idempotency-key", fingerprint_headers=("authorization",)), 0),
        (Policy(header="idempotency-key", tenant_of=lambda _: "a"), 0),
    ],
)
async def test_where_clients_choose_their_keys_it_is_said_that_they_may_share_one(
    caplog: pytest.LogCaptureFixture, policy: Policy, times: int
) -> None:
    admission._warn_shared.cache_clear()
    app = IdempotencyMiddleware(App(), store=MemoryStore(), policy=policy)
    for key in (b"1", b"2"):
        await request(app, key=None, headers=[(b"idempotency-key", key)])
    assert caplog.text.count("Clients choose their own keys") == times
    assert "secrets" not in caplog.text


@pytest.mark.parametrize(("require_key", "times"), [(False, 1), (True, 0)])
def test_that_unsigned_requests_are_free_without_require_key_is_said(
    caplog: pytest.LogCaptureFixture, require_key: bool, times: int
) -> None:
    admission._warn_free.cache_clear()
    policy = Policy(require_key=require_key, name="reports")
    for _ in range(2):
        IdempotencyMiddleware(
            App(), store=MemoryStore(), secrets=SECRETS, policy={"/reports": policy}
        )
    free = [text for text in caplog.messages if "run for free" in text]
    assert len(free) == times
    assert all("'reports'" in text for text in free)


async def test_an_app_keeps_its_own_copy_of_the_secrets() -> None:
    inner, mine = App(), dict(SECRETS)
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), secrets=mine, clock=lambda: NOW
    )
    mine.clear()
    assert (await request(app)).status == 401
    scope = scope_of(signed())
    sent = {"query": scope["query_string"], "headers": scope["headers"]}
    assert (await request(app, key=None, path=str(scope["path"]), **sent)).status == 200
    assert inner.executions == 1


PAID, SLOW = Policy(require_key=True), Policy(require_key=True, patience=5)


@pytest.mark.parametrize(
    "policy",
    [
        PAID,
        {"/joke": PAID, "/slow/*": SLOW},
        lambda scope: SLOW if scope["path"].startswith("/slow") else PAID,
    ],
    ids=["one policy", "a mapping", "a function"],
)
@pytest.mark.parametrize("path", ["/joke", "/slow", "/slow/report"])
async def test_a_forged_intent_is_401_on_every_path_that_has_a_policy(
    policy: Any, path: str
) -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=policy, secrets=SECRETS
    )
    forged = await request(app, key=b"made-up", path=path)
    assert (forged.status, forged.code) == (401, "signature-refused")
    assert (await request(app, key=None, path=path)).code == "key-missing"
    assert inner.executions == 0


class Slow(Connection):
    """A body that takes its time to arrive."""

    def __init__(self, now: list[float], seconds: float) -> None:
        super().__init__(b"one", b"two")
        self.now = now
        self.seconds = seconds

    async def receive(self) -> Message:
        self.now[0] += self.seconds / 2
        return await super().receive()


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (7_200, 401)])
async def test_a_signature_that_expires_while_the_body_arrives_is_refused(
    seconds: float, status: int
) -> None:
    inner, now = App(), [float(NOW)]
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), secrets=SECRETS, clock=lambda: now[0]
    )
    scope, connection = {**http_scope(), **scope_of(signed())}, Slow(now, seconds)
    await app(scope, connection.receive, connection.send)
    assert connection.status == status
    assert inner.executions == (status == 200)


async def test_the_app_does_not_see_the_signature() -> None:
    seen: list[set[bytes]] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append({name for name, _ in scope["headers"]})
        await App()(scope, receive, send)

    def ours(app: ASGIApp) -> IdempotencyMiddleware:
        store, policy = MemoryStore(), Policy(require_key=True)
        return IdempotencyMiddleware(
            app, store=store, policy=policy, secrets=SECRETS, clock=lambda: NOW
        )

    scope, connection = {**http_scope(), **scope_of(signed())}, Connection()
    before = list(scope["headers"])
    await ours(ours(inner))(scope, connection.receive, connection.send)
    assert connection.status == 200
    (names,) = seen
    assert not {b"signature", b"signature-input"} & names
    assert b"x-settlement-intent-id" in names
    assert scope["headers"] == before


def test_an_app_takes_exactly_the_key_ids_that_a_signature_can_name() -> None:
    line = signed("new").headers["signature-input"]
    names = tuple(HEADERS)
    assert signature._stated(line, names)
    for keyid in [f"a{chr(code)}b" for code in range(256)]:
        named = line.replace('"new"', f'"{keyid}"')
        assert is_taken(keyid) == (signature._stated(named, names) is not None), keyid


def is_taken(keyid: str) -> bool:
    try:
        signature.checked_secrets({keyid: b"s" * 32})
    except ConfigurationError:
        return False
    return True


PROOF = {"x-settlement-proof": "a" * 64}
USED = {
    "x-settlement-replay-id": "intent-1",
    **dict(list(HEADERS.items())[1:]),
    **PROOF,
}
PARTS = ("@method", "@path", "@query")


def test_the_gate_may_sign_a_proof_and_a_replay() -> None:
    for headers in (HEADERS | PROOF, USED):
        message = signed(covered=(*PARTS, *headers), headers=headers)
        assert judged(message) is None


def test_what_is_said_about_a_payment_has_to_be_signed() -> None:
    unsigned = signed(headers=HEADERS | PROOF)
    assert judged(unsigned) is Distrust.MALFORMED
    without = tuple(name for name in USED if name not in PROOF)
    assert (
        judged(signed(covered=(*PARTS, *without), headers=USED)) is Distrust.MALFORMED
    )
    changed = signed(covered=(*PARTS, *USED), headers=USED)
    changed.headers["x-settlement-proof"] = "b" * 64
    assert judged(changed) is Distrust.WRONG


def test_a_signed_replay_is_no_signed_intent() -> None:
    """With its header renamed, a used payment would buy an execution."""
    message = signed(covered=(*PARTS, *USED), headers=USED)
    message.headers["x-settlement-intent-id"] = "intent-1"
    assert judged(message) is Distrust.MALFORMED
    del message.headers["x-settlement-replay-id"]
    assert judged(message) is Distrust.MALFORMED
    renamed = message.headers["signature-input"].replace("replay-id", "intent-id")
    message.headers["signature-input"] = renamed
    assert judged(message) is Distrust.WRONG
