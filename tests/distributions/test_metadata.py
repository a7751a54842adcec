"""The two distributions belong together. `make dist` builds and tries them."""

import re
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


def test_the_repository_has_one_address() -> None:
    written = "".join(
        (ROOT / each).read_text()
        for each in ("pyproject.toml", "edge/pyproject.toml", "mkdocs.yml")
    )
    found = set(re.findall(r"https://github\.com/[\w-]+/[\w-]+", written))
    assert found == {project(".")["urls"]["Repository"]}
    assert project("edge")["urls"] == project(".")["urls"]


def test_ci_runs_on_every_python_that_is_supported() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    for each in (".", "edge"):
        prefix = "Programming Language :: Python :: 3."
        named = [
            f'"3.{name.removeprefix(prefix)}"'
            for name in project(each)["classifiers"]
            if name.startswith(prefix)
        ]
        assert f"python: [{', '.join(named)}]" in workflow


def test_both_have_the_licence() -> None:
    assert (ROOT / "edge/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_middleware_alone_installs_nothing_else() -> None:
    assert project(".")["dependencies"] == []
