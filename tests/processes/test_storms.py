"""Storms on real servers and worker processes. `make prove` has more of them."""

import asyncio
from dataclasses import replace

import pytest

from .storms import Weather, kill_a_worker, restart_the_server, storm, storms, summary

pytestmark = pytest.mark.slow

# On a busy machine, a storm may be over before all of it has come about.
_TRIES = 5

# All that there is to tell a client.
_TOLD = ("executed", "replayed", "in-progress", "store-unavailable", "failed")


async def test_the_history_of_every_key_is_that_of_one_record() -> None:
    calm: list[str] = []
    for _ in range(_TRIES):
        verdict = await storms(rounds=1)
        said = "\n".join([summary(verdict), *verdict.not_linearizable[:2]])
        assert not verdict.not_linearizable, said
        assert not verdict.started_twice + verdict.effects_twice, said
        if all(verdict.answers[each] for each in _TOLD):
            return
        calm.append(said)
    pytest.fail("no storm:\n" + "\n".join(calm))


async def test_a_promise_that_is_not_kept_shows() -> None:
    """A retry runs what a killed worker began; the loss of a server is ignored."""
    killed = Weather((kill_a_worker,) * 2, on_abandoned="execute", calm=1.5)
    lost = Weather((restart_the_server,), keeps=False, quarantine=0)
    await asyncio.gather(_shows(killed), _shows(lost))


async def _shows(weather: Weather) -> None:
    unseen: list[str] = []
    for seed in range(_TRIES):
        verdict = await storm(replace(weather, seed=seed))
        if verdict.not_linearizable and verdict.started_twice:
            return
        unseen.append(summary(verdict))
    pytest.fail("\n".join(unseen))
