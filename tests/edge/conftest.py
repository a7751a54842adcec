"""The edge under test, with a real facilitator on loopback and a clock in the hand."""

from collections.abc import Callable, Iterator

import pytest

from edge.runtime.handler import Edge
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.examples import NOW, settings_for
from tests.support.scripted_facilitator import ScriptedFacilitator


@pytest.fixture
def scripted() -> Iterator[ScriptedFacilitator]:
    with ScriptedFacilitator() as facilitator:
        yield facilitator


@pytest.fixture
def settings(scripted: ScriptedFacilitator) -> Settings:
    return settings_for(scripted.url)


@pytest.fixture
def facilitator(settings: Settings) -> Iterator[NexFlow]:
    facilitator = NexFlow(settings)
    yield facilitator
    facilitator.close()


@pytest.fixture
def edge(settings: Settings, facilitator: NexFlow) -> Callable[..., object]:
    return Edge(settings, facilitator, now=lambda: NOW, clock=lambda: 0.0)
