"""Storms on real servers and worker processes. `make prove` has more of them."""

import asyncio

import pytest

from .storms import Weather, kill_a_worker, restart_the_server, storm, storms, summary

pytestmark = pytest.mark.slow


async def test_the_history_of_every_key_is_that_of_one_record() -> None:
    verdict = await storms(rounds=1)
    said = "\n".join([summary(verdict), *verdict.not_linearizable[:2]])
    assert not verdict.not_linearizable, said
    assert not verdict.started_twice + verdict.effects_twice, said
    # It was a storm: all that there is to tell was told.
    told = ("executed", "replayed", "in-progress", "store-unavailable", "failed")
    assert all(verdict.answers[each] for each in told), said


async def test_a_promise_that_is_not_kept_shows() -> None:
    """A retry runs what a killed worker began; the loss of a server is ignored."""
    killed = Weather((kill_a_worker,) * 2, on_abandoned="execute", calm=1.5)
    lost = Weather((restart_the_server,), keeps=False, quarantine=0)
    for verdict in await asyncio.gather(storm(killed), storm(lost)):
        assert verdict.not_linearizable, summary(verdict)
        assert verdict.started_twice, summary(verdict)
