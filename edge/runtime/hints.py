"""The names from `typing` that the bundle uses, without loading it.

It takes 4 ms of a cold start of 60, and at run time does next to nothing.
A type checker sees the real thing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Literal,
        NamedTuple,
        Protocol,
        TypeGuard,
        TypeVar,
        assert_never,
    )
else:
    from collections import namedtuple

    class _Hint:
        """Stands where only a type checker looks."""

        def __init__(self, *_):
            pass

        def __class_getitem__(cls, _):
            return cls

    Any = Literal = Protocol = TypeGuard = TypeVar = _Hint

    class _Fields(type):
        def __new__(cls, name, _bases, body):
            # The plain class is asked, because only it knows how this Python
            # keeps annotations.
            fields = type(name, (), dict(body)).__annotations__
            defaults = [body[field] for field in fields if field in body]
            values = namedtuple(name, fields, defaults=defaults)  # noqa: PYI024 - the other is what is avoided
            rest = {key: value for key, value in body.items() if key not in fields}
            return type(name, (values,), {**rest, "__slots__": ()})

    NamedTuple = type.__new__(_Fields, "NamedTuple", (), {})

    def assert_never(value):
        raise AssertionError(f"this cannot be: {type(value).__name__}")


__all__ = [
    "Any",
    "Literal",
    "NamedTuple",
    "Protocol",
    "TypeGuard",
    "TypeVar",
    "assert_never",
]
