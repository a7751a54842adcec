"""The fields of the object a function returned, read one by one and checked for type.

AWS "Generating HTTP responses in request triggers", Response object.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TypeAlias

from .errors import FunctionResultError
from .restrictions import HeaderLines

Returned: TypeAlias = Mapping[str, object]

STATUS = re.compile(r"[2-5][0-9]{2}")


def as_object(value: object) -> Returned:
    """The returned value, if it is an object at all."""
    if not isinstance(value, dict):
        raise FunctionResultError("it is neither a request nor a response")
    return value


def string(result: Returned, field: str, default: str | None = None) -> str:
    """A text field; required if it has no default."""
    value = result.get(field, default)
    if not isinstance(value, str) or not _is_utf_8(value):
        raise FunctionResultError(f"{field} is missing or not a string")
    return value


def status(result: Returned) -> tuple[int, str]:
    """Status and description. CloudFront wants the status as a string."""
    code = string(result, "status")
    if not STATUS.fullmatch(code):
        raise FunctionResultError(f"the status {code!r} is not between 200 and 599")
    return int(code), string(result, "statusDescription", "")


def body(result: Returned) -> bytes:
    """The body decoded; empty if there is none."""
    text = string(result, "body", "")
    encoding = string(result, "bodyEncoding", "text")
    if encoding == "text":
        return text.encode()
    if encoding == "base64":
        return _decoded(text)
    raise FunctionResultError(f"the bodyEncoding {encoding!r} is not text or base64")


def headers(result: Returned) -> HeaderLines:
    """The headers by lower-case name."""
    found = result.get("headers", {})
    if not isinstance(found, dict):
        raise FunctionResultError("headers is not an object")
    return {name: _lines(name, lines) for name, lines in found.items()}


def _is_utf_8(text: str) -> bool:
    """JSON can hold half a surrogate pair; no message can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines(name: str, lines: object) -> list[tuple[str, str]]:
    if not isinstance(lines, list):
        raise FunctionResultError(f"the header {name} is not a list")
    found = [_line(name, line) for line in lines]
    if not all(_is_utf_8(value) for _, value in found):
        raise FunctionResultError(f"a line of the header {name} is no text")
    return found


def _line(name: str, line: object) -> tuple[str, str]:
    match line:
        case {"key": str(key), "value": str(value)}:
            return key, value.strip(" \t")
        case {"key": _}:
            pass
        case {"value": str(value)}:
            # Lambda@Edge inserts the key: initial capitals between hyphens.
            return name.title(), value.strip(" \t")
    raise FunctionResultError(f"a line of the header {name} has no text value")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise FunctionResultError("the body is not valid base64") from exc
