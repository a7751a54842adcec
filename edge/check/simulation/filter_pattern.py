"""CloudWatch's filter patterns, as far as metric filters on our log lines use them.

    pattern     "{" either "}"
    either      both { "||" both }
    both        one { "&&" one }
    one         "(" either ")" | selector test
    test        ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                | "IS" ("TRUE" | "FALSE" | "NULL") | "NOT EXISTS"
    selector    "$" { "." name }
    value       number | text | '"' text '"'       `*` in a text stands for anything

From "Filter pattern syntax for metric filters" in the guide of CloudWatch Logs.
Regular expressions, arrays and patterns for lines that are not JSON are not judged.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

Test = Callable[[Any], bool]

ABSENT = object()

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<selector>\$(?:\.[A-Za-z0-9_-]+)+)
      | (?P<sign>&&|\|\||!=|<=|>=|[=<>(){}])
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<word>[A-Za-z0-9_.*+-]+)
    )""",
    re.VERBOSE,
)
_ORDER = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


class NotJudged(Exception):
    """The pattern may be right; it is not in the language above."""


def matcher(pattern: str) -> Test:
    """Tells of a log line, read as JSON, whether the pattern matches it.

    Raises NotJudged."""
    return _Parser(pattern).parse()


def select(document: Any, selector: str) -> Any:
    """The value at `$.a.b`, or ABSENT."""
    found = document
    for name in selector.split(".")[1:]:
        if not isinstance(found, dict) or name not in found:
            return ABSENT
        found = found[name]
    return found


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tokens = _tokens(pattern)

    def parse(self) -> Test:
        self._expect("{")
        test = self._either()
        self._expect("}")
        if self._tokens:
            raise self._stranger()
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._takes("||"):
            tests.append(self._both())
        return lambda document: any(test(document) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._takes("&&"):
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> Test:
        if self._takes("("):
            test = self._either()
            self._expect(")")
            return test
        selector = self._next("selector")
        if self._takes("NOT"):
            self._expect("EXISTS")
            return lambda document: select(document, selector) is ABSENT
        if self._takes("IS"):
            constant = _CONSTANTS.get(self._next("word"), ABSENT)
            if constant is ABSENT:
                raise self._stranger()
            return lambda document: select(document, selector) is constant
        compares = self._comparison()
        return lambda document: compares(select(document, selector))

    def _comparison(self) -> Test:
        sign = self._next("sign")
        if not self._tokens:
            raise self._stranger()
        kind, text = self._tokens.pop(0)
        number = _number(text) if kind == "word" else None
        if sign in _ORDER and number is not None:
            order, bound = _ORDER[sign], number
            return lambda value: _is_number(value) and order(value, bound)
        if sign not in ("=", "!=") or kind not in ("word", "quoted"):
            raise self._stranger()
        equals = _equals(text, number, may_be_number=kind == "word")
        if sign == "=":
            return equals
        return lambda value: value is not ABSENT and not equals(value)

    def _next(self, kind: str) -> str:
        if not self._tokens or self._tokens[0][0] != kind:
            raise self._stranger()
        return self._tokens.pop(0)[1]

    def _takes(self, text: str) -> bool:
        if self._tokens and self._tokens[0] in (("sign", text), ("word", text)):
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._stranger()

    def _stranger(self) -> NotJudged:
        return NotJudged(f"the pattern {self._pattern!r} is not understood here")


def _tokens(pattern: str) -> list[tuple[str, str]]:
    found, position, text = [], 0, pattern.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise NotJudged(f"the pattern {pattern!r} is not understood here")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _equals(text: str, number: float | None, *, may_be_number: bool) -> Test:
    """Without quotes `*` is any value, and `5*` any number that begins with a 5."""
    if number is not None:
        return lambda value: _is_number(value) and value == number
    parts = [re.escape(part) for part in text.replace('\\"', '"').split("*")]
    expression = re.compile(".*".join(parts), re.DOTALL)

    def equals(value: Any) -> bool:
        if may_be_number and _is_number(value):
            value = str(value)
        return isinstance(value, str) and expression.fullmatch(value) is not None

    return equals


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
