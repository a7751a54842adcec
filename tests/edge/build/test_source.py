"""What is left out of the zip, and that nothing else is."""

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from edge.build.source import lean
from edge.build.zip import RUNTIME

FILES = sorted(RUNTIME.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(RUNTIME)))
def test_every_statement_is_there_in_its_line(file: Path) -> None:
    source = file.read_text()
    left = lean(source)
    assert _statements(left) == _statements(source)
    assert '"""' not in left
    assert not [line for line in left.split("\n") if line.lstrip().startswith("#")]


def _statements(source: str) -> list[tuple[int, str]]:
    """Without texts that nobody uses, and what stands in for one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [  # type: ignore[attr-defined] # it has one
                each
                for each in body
                if not (
                    isinstance(each, ast.Expr)
                    and isinstance(each.value, ast.Constant)
                    and isinstance(each.value.value, str | type(...))
                )
            ]
    return [
        (node.lineno, ast.dump(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt)
    ]


def test_what_looks_like_a_comment_in_a_string_stays() -> None:
    source = dedent(
        '''\
        """Of the module."""
        TEXT = """
        # not a comment
        """
        # a comment


        class Wrong(Exception):
            """Only this."""


        class Field:
            name: str
            """Of the field."""

            def say(self) -> str:
                """Of a method."""
                return f"""
        # {self.name}
        """  # stays: it shares its line
        '''
    )
    left = lean(source)
    found: dict[str, object] = {}
    exec(left, found)  # noqa: S102 - the text above
    assert found["TEXT"] == "\n# not a comment\n"
    field = found["Field"]()  # type: ignore[operator] # a class
    field.name = "a name"
    assert field.say() == "\n# a name\n"
    assert "Of " not in left
    assert "Only this" not in left
    assert left.count("\n") == source.count("\n")
