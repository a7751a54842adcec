"""The recorded response: its bytes in the store, and its way back to a client."""

import re
import struct
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from .asgi import Headers, Message, Send, declared_length
from .errors import RecordDamaged

_VERSION = 1
_START = struct.Struct(">BHI")  # version, status, length of the headers' lines

# RFC 9110, section 7.6.1: they belong to one connection, so they are neither recorded
# nor replayed.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
REPLAYED = (b"idempotent-replayed", b"true")

WITHOUT_BODY = frozenset({204, 304})
"""Statuses of responses that end with their headers (RFC 9112, section 6.3)."""

# RFC 9110, sections 5.1 and 5.5: a field value has visible characters, and spaces and
# tabs between them.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD = rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(_FIELD)
_LINE = re.compile(b"(?m)^(%b):(%b)\n" % (_TOKEN, _FIELD))

# RFC 9111, section 5.2: directives are separated by commas, but not within quotes.
_DIRECTIVES = re.compile(rb'(?:[^,"]|"[^"]*"?)+')
_SHARED = (b"public", b"s-maxage", b"private")

# What one kind of cache obeys in place of Cache-Control, besides the names of RFC 9213,
# such as CDN-Cache-Control.
_OTHER_CACHES = (b"surrogate-control", b"edge-control", b"x-accel-expires")


class StoredResponse(NamedTuple):
    """Status, headers in order and with duplicates, and body."""

    status: int
    headers: Headers
    body: bytes

    def to_bytes(self, unrecorded: Collection[str] = ()) -> bytes:
        """Without hop-by-hop headers and those that `unrecorded` names."""
        left_out = HOP_BY_HOP
        if unrecorded:
            left_out = left_out.union(name.lower().encode() for name in unrecorded)
        lines = b"".join(
            [
                b"%b:%b\n" % pair
                for pair in self.headers
                if pair[0].lower() not in left_out
            ]
        )
        return _START.pack(_VERSION, self.status, len(lines)) + lines + self.body

    def for_the_payer(self) -> "StoredResponse":
        """Only the payer's own cache may keep it."""
        return StoredResponse(self.status, payers_own(self.headers), self.body)

    @classmethod
    def from_bytes(cls, data: bytes) -> "StoredResponse":
        """Raises RecordDamaged for bytes that `to_bytes` did not make, and for a
        response that no server would send.
        """
        if len(data) < _START.size:
            raise RecordDamaged("The recorded response is cut off.")
        version, status, length = _START.unpack_from(data)
        if version != _VERSION:
            raise RecordDamaged(
                f"The recorded response has format {version}, not {_VERSION}."
            )
        body = _START.size + length
        if len(data) < body:
            raise RecordDamaged("The recorded response is cut off.")
        lines = data[_START.size : body]
        headers = _LINE.findall(lines)
        is_whole = len(headers) == lines.count(b"\n") and lines[-1:] in (b"\n", b"")
        if not (is_whole and 200 <= status <= 999):
            raise RecordDamaged(
                f"The recorded response cannot be sent: status {status}, "
                f"{length} bytes of headers."
            )
        return cls(status, headers, data[body:])

    async def replay(self, send: Send) -> None:
        headers = [*self.headers, REPLAYED]
        await send(
            {"type": "http.response.start", "status": self.status, "headers": headers}
        )
        await send(
            {"type": "http.response.body", "body": self.body, "more_body": False}
        )


def checked_response(given: StoredResponse, method: str = "POST") -> StoredResponse:
    """The response that a reconciler or an operator gives for an attempt. Raises
    ValueError, or TypeError, for a response that no server would send."""
    if not isinstance(given.body, (bytes, bytearray, memoryview)):
        raise TypeError(f"The body is a {type(given.body).__name__}, and not bytes.")
    headers, body = checked_headers(given.headers), bytes(given.body)
    response = StoredResponse(checked_status(given.status), headers, body)
    check_declared(headers)
    declared = declared_length({name.lower(): value for name, value in headers})
    if method == "HEAD" or response.status in WITHOUT_BODY:
        if body:
            raise ValueError(f"A {response.status} to {method} has no body.")
    elif declared is not None and declared != len(body):
        raise ValueError(f"The response declares {declared} bytes and has {len(body)}.")
    return response


def checked_status(status: Any) -> int:
    """Raises ValueError for a status that cannot be sent."""
    if isinstance(status, int) and 200 <= status <= 999:
        return int(status)
    raise ValueError(f"A response cannot have the status {status!r}.")


def checked_headers(headers: Iterable[tuple[Any, Any]]) -> Headers:
    """Raises ValueError for a header that no server would send: recorded, it would
    break every replay. The message names the header and keeps its value to itself.
    """
    checked = []
    for name, value in headers:
        header = bytes(name), bytes(value)
        if not _is_name(header[0]):
            raise ValueError(f"A response cannot have a header with the name {name!r}.")
        if not _VALUE.fullmatch(header[1]):
            raise ValueError(f"The value of the header {name!r} cannot be sent.")
        checked.append(header)
    return checked


def check_declared(headers: Headers) -> None:
    """RFC 9112, section 6.3: no client accepts an invalid length, or two lengths.
    Raises ValueError."""
    lengths = {value for name, value in headers if name.lower() == b"content-length"}
    if len(lengths) > 1 or not all(map(bytes.isdigit, lengths)):
        raise ValueError("The response declares several lengths, or one that is none.")


def payers_own(headers: Headers, named: Mapping[bytes, bytes] | None = None) -> Headers:
    """Only the payer's own cache may keep the answer. `named` has the headers by name,
    in lower case."""
    if named is None:
        named = {name.lower(): value for name, value in headers}
    if not any(map(_tells_caches, named)):
        return [*headers, (b"cache-control", b"private")]
    kept: list[bytes] = []
    others: Headers = []
    for header in headers:
        name = header[0].lower()
        if name == b"cache-control":
            directives = map(bytes.strip, _DIRECTIVES.findall(header[1]))
            kept += [each for each in directives if each and not _is_for_sharing(each)]
        elif not _tells_caches(name):
            others.append(header)
    return [*others, (b"cache-control", b", ".join([*kept, b"private"]))]


def marking(send: Send) -> Send:
    """For an answer that is not recorded: only the payer's own cache may keep it."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", ())
            headers = [(bytes(name), bytes(value)) for name, value in given]
            message = {**message, "headers": payers_own(headers)}
        await send(message)

    return marked


def _is_for_sharing(directive: bytes) -> bool:
    return directive.partition(b"=")[0].strip().lower() in _SHARED


@lru_cache(maxsize=1024)
def _tells_caches(name: bytes) -> bool:
    return name.endswith(b"cache-control") or name in _OTHER_CACHES


@lru_cache(maxsize=1024)
def _is_name(name: bytes) -> bool:
    return len(name) < 65_536 and _NAME.fullmatch(name) is not None
