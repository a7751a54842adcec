"""The gate's code as it goes into the zip: without docstrings and comment lines.

They are a quarter of the zip. Every statement stays in its line, so that a traceback in
a log leads to the line here.
"""

from functools import cache
from io import StringIO
from tokenize import (
    COMMENT,
    DEDENT,
    ENCODING,
    INDENT,
    NEWLINE,
    NL,
    STRING,
    TokenInfo,
    generate_tokens,
)

_BEFORE_A_STATEMENT = {NEWLINE, INDENT, DEDENT, ENCODING}


@cache  # a build reads the same files as the check of a build
def lean(source: str) -> str:
    lines = source.split("\n")
    tokens = list(generate_tokens(StringIO(source).readline))
    for comment in tokens:
        if comment.type == COMMENT and comment.line.lstrip().startswith("#"):
            lines[comment.start[0] - 1] = ""
    # Of types, and not of layout: what stands before and after a text.
    tokens = [token for token in tokens if token.type not in (COMMENT, NL)]
    kinds = [ENCODING, *(token.type for token in tokens), DEDENT]
    for at, token in enumerate(tokens):
        before, after, then = kinds[at], kinds[at + 2], kinds[at + 3 : at + 4]
        is_alone = before in _BEFORE_A_STATEMENT and after == NEWLINE
        if token.type == STRING and is_alone:
            _blank(lines, token)
            if before == INDENT and then == [DEDENT]:  # something has to stand there
                lines[token.start[0] - 1] = " " * token.start[1] + "..."
    return "\n".join(lines)


def _blank(lines: list[str], text: TokenInfo) -> None:
    for number in range(text.start[0], text.end[0] + 1):
        lines[number - 1] = ""
