"""The lines that CloudWatch is asked about, against those of the handler."""

import json
from typing import Any

import pytest

from edge.check.log_lines import sample_lines
from edge.runtime.handler import Edge
from tests.edge.check.real_lines import real_lines
from tests.support.scripted_facilitator import ScriptedFacilitator


def test_the_sample_lines_are_like_those_that_the_gate_writes(
    edge: Edge, scripted: ScriptedFacilitator, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = real_lines(edge, scripted, capsys)
    assert len(lines) == 7
    samples = [json.loads(line) for line in sample_lines().values()]
    assert [shape(line) for line in samples] == [shape(line) for line in lines]


def shape(line: dict[str, Any]) -> tuple[Any, ...]:
    """Which fields, in which order, of which types; of flags, which."""
    return tuple(
        (name, value if isinstance(value, bool) else type(value).__name__)
        for name, value in line.items()
    )
