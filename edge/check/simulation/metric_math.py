"""Metric math on one period: numbers, + - * / ^, comparisons, AND, OR, IF, FILL.

A metric without data is NaN, and so is what is computed from it: an alarm on it does
not fire. `FILL(errors, 0)` is what makes a number of it.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping

NO_DATA = math.nan

_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type, Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "IF": lambda condition, then, otherwise=NO_DATA: then if condition else otherwise,
    "FILL": lambda value, filler: filler if math.isnan(value) else value,
    "MAX": lambda *values: max(values),
    "MIN": lambda *values: min(values),
    "SUM": lambda *values: math.fsum(values),
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
}
# As metric math writes them, and as Python does.
_SPELLINGS = ((r"\bAND\b|&&", " and "), (r"\bOR\b|\|\|", " or "), (r"\^", "**"))


class NotComputed(Exception):
    """The expression may be right; it is not in the part of the language above."""


def evaluate(expression: str, values: Mapping[str, float]) -> float:
    """Raises NotComputed."""
    text = expression.strip()
    for pattern, spelling in _SPELLINGS:
        text = re.sub(pattern, spelling, text)
    try:
        return float(_value(ast.parse(text, mode="eval").body, values))
    except ZeroDivisionError:
        return NO_DATA
    except (SyntaxError, TypeError, ValueError, OverflowError) as wrong:
        raise NotComputed(f"{expression!r} is not understood here") from wrong


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
            return _ARITHMETIC[type(sign)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if (
            type(sign) in _COMPARISONS
        ):
            return _COMPARISONS[type(sign)](_value(left, values), _value(right, values))
        case ast.BoolOp(op=sign, values=parts):
            truths = [bool(_value(part, values)) for part in parts]
            return all(truths) if isinstance(sign, ast.And) else any(truths)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if (
            name in _FUNCTIONS
        ):
            return _FUNCTIONS[name](*(_value(each, values) for each in arguments))
        case _:
            raise NotComputed(f"{ast.unparse(node)!r} is not understood here")
