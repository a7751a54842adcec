"""How each step of the protocol comes about: what clients ask, and are told.

The fault begins in the middle of a story, and is over when a client asks for the last
time. All clients ask with one key.
"""

import asyncio
from collections.abc import Awaitable, Callable

from .trial import Trial

Story = Callable[[Trial], Awaitable[list[str]]]
"""What clients were told, one after the other."""

# A renewal that fails once is made again before it lapses.
LEASE = 2.0
_LAPSED = LEASE + 0.3


async def connecting(trial: Trial) -> list[str]:
    trial.spoil()
    return [
        await trial.ask(),
        await trial.ask_elsewhere(),
        await trial.ask_afterwards(),
    ]


async def asking(trial: Trial) -> list[str]:
    """Whatever the first request has to read and write."""
    await trial.store.check()
    return await connecting(trial)


async def asking_again(trial: Trial) -> list[str]:
    """The first attempt is over when the fault begins."""
    return [await trial.ask(), *(await connecting(trial))]


async def waiting(trial: Trial) -> list[str]:
    """A duplicate waits while the first attempt runs."""
    trial.gate.clear()
    first = asyncio.create_task(trial.ask_elsewhere())
    await trial.entered.wait()
    fault = trial.spoil()
    duplicate = asyncio.create_task(trial.ask())
    await fault.happened.wait()
    trial.gate.set()
    return [await first, await duplicate, await trial.ask_afterwards()]


async def renewing(trial: Trial) -> list[str]:
    """The handler runs for longer than its lease, and a duplicate waits for it."""
    trial.gate.clear()
    first = asyncio.create_task(trial.ask())
    await trial.entered.wait()
    trial.spoil()
    duplicate = asyncio.create_task(trial.ask_elsewhere())
    await asyncio.wait({duplicate}, timeout=_LAPSED * trial.pace)
    trial.gate.set()
    return [await first, await duplicate, await trial.ask_afterwards()]
