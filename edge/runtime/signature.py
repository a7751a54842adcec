"""The gate's signature of forwarded requests (RFC 9421), made and recognised again.

    signature-input: settlement=("@method" "@path" "@query" "x-settlement-intent-id"
        "x-settlement-resource-id" "x-settlement-network");created=…;expires=…;keyid="…"
    signature: settlement=:<base64 of HMAC-SHA256>:

Before a standard facilitator, `x-settlement-proof` is signed as well, and
`x-settlement-replay-id` in place of the intent where the payment is used.

viewer-request signs, the origin verifies, and origin-response looks whether it settles
an intent of the gate's own.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Mapping, Sequence

from .hints import NamedTuple
from .intent import signed_names

# CloudFront tries a GET three times: up to 10 s to connect and 180 s to wait, each.
# The origin looks at the last attempt when it arrives, well before that is over.
LIFETIME = 600

# If a behaviour has trusted key groups, CloudFront removes these from a signed URL
# after checking them. Every signed URL has the first one. In a URL without it, the
# others are an application's own, and reach the origin.
_OF_SIGNED_URLS = ("Key-Pair-Id", "Expires", "Policy", "Signature", "Hash-Algorithm")


class SigningKey(NamedTuple):
    id: str
    secret: bytes

    def __repr__(self) -> str:
        """Without the secret, wherever it may be printed."""
        return f"SigningKey({self.id})"


class Message(NamedTuple):
    """A request with its contract headers, as it goes to the origin.

    Path and query are as on the wire: CloudFront does not change them either, except
    for the parameters of a signed URL."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def signed(
    message: Message, key: SigningKey, now: float, until: float | None = None
) -> dict[str, str]:
    """The two headers of the signature, which is valid until `until` at the latest."""
    created = int(now)
    expires = created + LIFETIME
    if until is not None:
        expires = min(expires, int(until))
    lifetime = f"created={created};expires={expires}"
    names = ("@method", "@path", "@query", *signed_names(message.headers))
    covered = " ".join(f'"{name}"' for name in names)
    params = f'({covered});{lifetime};keyid="{key.id}"'
    return {
        "signature-input": f"settlement={params}",
        "signature": _signature(message, params, key),
    }


def distrust(message: Message, keys: Sequence[SigningKey]) -> str | None:
    """Why this intent is not the gate's own; None if it is, or if no gate signs.

    `expires` is for the origin. Here the response has been delivered: a slow origin
    makes a signature old, not forged."""
    if not keys:
        return None
    stated = message.headers.get("signature-input")
    signature = message.headers.get("signature")
    if not stated or not signature:
        return "the signature is missing"
    params = stated.removeprefix("settlement=")
    for key in keys:
        if params.endswith(f';keyid="{key.id}"'):
            expected = _signature(message, params, key)
            fits = hmac.compare_digest(_bytes(signature), _bytes(expected))
            return None if fits else "the signature does not fit the request"
    return "the signature is by an unknown key"


def _signature(message: Message, params: str, key: SigningKey) -> str:
    digest = hmac.digest(key.secret, _base(message, params), "sha256")
    return f"settlement=:{b2a_base64(digest, newline=False).decode()}:"


def _base(message: Message, params: str) -> bytes:
    """RFC 9421, section 2.5: the signed components, one per line."""
    return _bytes(
        "\n".join(
            (
                f'"@method": {message.method}',
                f'"@path": {message.path}',
                f'"@query": ?{_as_forwarded(message.query)}',
                *(
                    f'"{name}": {message.headers.get(name, "")}'
                    for name in signed_names(message.headers)
                ),
                f'"@signature-params": {params}',
            )
        )
    )


def _as_forwarded(query: str) -> str:
    if _OF_SIGNED_URLS[0] not in query:
        return query
    parameters = [each.partition("=") for each in query.split("&")]
    names = {name for name, _, _ in parameters}
    if _OF_SIGNED_URLS[0] not in names:
        return query
    kept = [each for each in parameters if each[0] not in _OF_SIGNED_URLS]
    return "&".join(map("".join, kept))


def _bytes(text: str) -> bytes:
    """UTF-8, as CloudFront forwards it. Half a surrogate is no character, and no reason
    to raise: it is signed as something that never arrives."""
    return text.encode(errors="backslashreplace")
