"""The two distributions belong together. `make dist` builds and tries them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def project(folder: str) -> dict[str, Any]:
    document = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())
    return dict(document["project"])


@pytest.mark.parametrize("name", ["version", "license", "requires-python"])
def test_what_both_say_is_the_same(name: str) -> None:
    assert project("edge")[name] == project(".")[name]


def test_both_have_the_licence() -> None:
    assert (ROOT / "edge/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_middleware_alone_installs_nothing_else() -> None:
    assert project(".")["dependencies"] == []
