"""Holds requests to botocore's model of a service: types, required members, names,
enumerations, lengths, ranges and patterns. botocore itself checks the first three.
"""

import re
from collections.abc import Iterator
from typing import Any


def violations(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    match shape.type_name:
        case "structure":
            yield from _of_structure(shape, value, where)
        case "list":
            yield from _of_size(shape, len(value), where)
            for index, item in enumerate(value):
                yield from violations(shape.member, item, f"{where}[{index}]")
        case "string" if type(value) is str:
            yield from _of_text(shape, value, where)
        case "integer" | "long" if type(value) is int:
            yield from _of_size(shape, value, where)
        case "boolean" if type(value) is bool:
            pass
        case "blob" if type(value) is bytes:
            pass
        case other:
            yield f"{where} is {value!r}, no {other}"


def _of_structure(shape: Any, value: Any, where: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"{where}.{name} is missing"
    for name, member in value.items():
        if name not in shape.members:
            yield f"{where}.{name} is unknown"
        else:
            yield from violations(shape.members[name], member, f"{where}.{name}")


def _of_text(shape: Any, value: str, where: str) -> Iterator[str]:
    yield from _of_size(shape, len(value), where)
    if shape.enum and value not in shape.enum:
        yield f"{where} is {value!r}, not one of {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{where} is {value!r}, which is not {pattern}"


def _of_size(shape: Any, size: int, where: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    too_small = least is not None and size < least
    if too_small or (most is not None and size > most):
        yield f"{where} is {size}, not from {least} to {most}"
