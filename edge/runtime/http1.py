"""One exchange of HTTP/1.1 (RFC 9112): a question is written, its answer is read.

http.client can do it, and its import would be a sixth of a cold start.
Lines may end in either way. Where an answer ends is never guessed.
"""

from collections.abc import Mapping

from .channel import Channel

# Answers have a few hundred bytes. The caps limit the memory for a broken one.
LARGEST_ANSWER = 64 * 1024
_LARGEST_HEAD = 32 * 1024
_MOST_FIELDS = 100
_LONGEST_CHUNK_LINE = 1024

# 102 and 103 come before the answer. More of them than this count as an error.
_MOST_INTERIM = 8

_HEXADECIMAL = b"0123456789abcdefABCDEF"


class BadAnswer(Exception):
    """Its message is about the facilitator, and quotes nothing of the answer."""


def post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Raises ValueError for what would end a line, or cannot be in one."""
    lines = [
        f"POST {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "accept-encoding: identity",
        f"content-length: {len(body)}",
    ]
    head = "\r\n".join([*lines, "", ""])
    fits = all(line.isascii() and line.isprintable() for line in lines)
    if not fits or " " in path:
        raise ValueError("a path or a header has a character that it cannot have")
    return head.encode() + body


def read_answer(channel: Channel) -> tuple[int, bytes, bool]:
    """The status, the body, and whether the connection can be used again.
    Raises BadAnswer and OSError."""
    reader = _Reader(channel)
    for _ in range(_MOST_INTERIM + 1):
        version, status = _status(reader.line(_LARGEST_HEAD))
        fields = _fields(reader)
        if status >= 200:
            body, is_delimited = _body(reader, version, status, fields)
            is_over = is_delimited and reader.is_empty()
            return status, body, is_over and _is_kept(version, fields)
        if status == 101:
            raise BadAnswer("it speaks another protocol now")
    raise BadAnswer("it does not come to its answer")


class _Reader:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._ahead = bytearray()

    def is_empty(self) -> bool:
        return not self._ahead

    def line(self, longest: int) -> bytes:
        """Without its end, which may be a bare LF (RFC 9112, section 2.2)."""
        seen = 0
        while (end := self._ahead.find(b"\n", seen, longest)) < 0:
            seen = len(self._ahead)
            if seen >= longest:
                raise BadAnswer("a line of its answer is too long")
            self._receive()
        line = self.take(end + 1)[:-1].removesuffix(b"\r")
        if b"\r" in line or b"\0" in line:
            raise BadAnswer("a line of its answer is malformed")
        return line

    def take(self, count: int) -> bytes:
        while len(self._ahead) < count:
            self._receive()
        taken = bytes(self._ahead[:count])
        del self._ahead[:count]
        return taken

    def rest(self) -> bytes:
        """What comes until the connection ends."""
        while received := self._channel.receive():
            self._ahead += received
            _check_size(len(self._ahead))
        return self.take(len(self._ahead))

    def _receive(self) -> None:
        received = self._channel.receive()
        if not received and self._channel.has_received:
            raise BadAnswer("its answer is cut off")
        if not received:
            raise BadAnswer("it hung up")
        self._ahead += received


def _status(line: bytes) -> tuple[bytes, int]:
    version, _, rest = line.partition(b" ")
    code, end = rest[:3], rest[3:4]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or end not in (b"", b" "):
        raise BadAnswer("its answer is not HTTP/1.1")
    if not code.isdigit() or int(code) < 100:
        raise BadAnswer("its answer is not HTTP/1.1")
    return version, int(code)


def _fields(reader: _Reader) -> Mapping[bytes, bytes]:
    """By name in lower case, and repeated ones joined by a comma."""
    fields: dict[bytes, bytes] = {}
    name, left = b"", _LARGEST_HEAD
    for _ in range(_MOST_FIELDS + 1):
        line = reader.line(left)
        if not line:
            return fields
        left -= len(line)
        if name and line[:1] in (b" ", b"\t"):  # RFC 9112, section 5.2
            fields[name] += b" " + line.strip(b" \t")
            continue
        name, colon, value = line.partition(b":")
        if not colon or name.split() != [name]:
            raise BadAnswer("a line of its answer is malformed")
        name, value = name.lower(), value.strip(b" \t")
        fields[name] = fields[name] + b"," + value if name in fields else value
    raise BadAnswer("its answer has too many header fields")


def _body(
    reader: _Reader, version: bytes, status: int, fields: Mapping[bytes, bytes]
) -> tuple[bytes, bool]:
    """And whether it says itself where it ends: RFC 9112, section 6.3."""
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if status in (204, 304):
        return b"", length is None and coding is None
    if coding is not None:
        is_clear = length is None and version == b"HTTP/1.1"
        if not is_clear or coding.lower() != b"chunked":
            raise BadAnswer("the length of its answer is unclear")
        return _chunked(reader), True
    if length is not None:
        return reader.take(_length(length)), True
    return reader.rest(), False


def _length(value: bytes) -> int:
    length, *others = {each.strip(b" \t") for each in value.split(b",")}
    if others or not length.isdigit():
        raise BadAnswer("the length of its answer is unclear")
    return _size(length, 10)


def _chunked(reader: _Reader) -> bytes:
    body = bytearray()
    while size := _chunk_size(reader.line(_LONGEST_CHUNK_LINE)):
        _check_size(len(body) + size)
        body += reader.take(size)
        if reader.line(2):
            raise BadAnswer("a line of its answer is malformed")
    _fields(reader)
    return bytes(body)


def _chunk_size(line: bytes) -> int:
    size = line.partition(b";")[0].rstrip(b" \t")
    if not size or size.strip(_HEXADECIMAL):
        raise BadAnswer("a line of its answer is malformed")
    return _size(size, 16)


def _size(digits: bytes, base: int) -> int:
    size = int(digits, base) if len(digits) < 20 else LARGEST_ANSWER + 1
    _check_size(size)
    return size


def _check_size(size: int) -> None:
    if size > LARGEST_ANSWER:
        raise BadAnswer("its answer is too large")


def _is_kept(version: bytes, fields: Mapping[bytes, bytes]) -> bool:
    options = fields.get(b"connection", b"").lower().split(b",")
    said = {option.strip(b" \t") for option in options}
    return b"close" not in said and (version == b"HTTP/1.1" or b"keep-alive" in said)
