"""What can be pressed: each button plays a step of the story on the same machine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from .. import steps
from ..machine import Machine
from ..story import Step, StepError, Story
from .feed import Feed


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    step: Step
    follows: Step | None = None
    """It is about the payment of this step, the last time that it was played."""

    @property
    def name(self) -> str:
        return self.step.__name__

    @property
    def title(self) -> str:
        return self.step.__doc__ or ""


BUTTONS: dict[str, tuple[Button, ...]] = {
    "Pay": (
        Button("Pay", steps.payment),
        Button("Retry", steps.retry, follows=steps.payment),
        Button(f"Retry × {steps.STORM}", steps.storm),
        Button("Pay with another body", steps.another_body, follows=steps.payment),
        Button("Pay for something else", steps.another_path, follows=steps.payment),
        Button("Pay for a slow answer", steps.slow_get),
        Button("Do not pay", steps.no_payment),
    ),
    "Break something": (
        Button("Kill the worker before its effects", steps.killed_before_its_effect),
        Button("Kill the worker after them", steps.killed_worker),
        Button("Stop Redis", steps.redis_stops),
        Button("Start Redis", steps.redis_starts, follows=steps.redis_stops),
        Button("Stop the facilitator at verify", steps.no_facilitator_at_verify),
        Button("Stop the facilitator at settle", steps.no_facilitator_at_settle),
        Button("Let the origin fail", steps.origin_failure),
    ),
    "Cheat": (
        Button("Forge an intent", steps.forged_intent),
        Button("Go around the gate", steps.around_the_gate),
    ),
}
BY_NAME = {button.name: button for group in BUTTONS.values() for button in group}


class NotNowError(Exception):
    """The button does nothing at the moment; the message says why."""


class Player:
    """Plays one step at a time, and tells the feed what the story says."""

    def __init__(
        self,
        machine: Machine,
        http: httpx.AsyncClient,
        feed: Feed,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when other buttons can be pressed than before."""
        self._machine = machine
        self._feed = feed
        self._changed = changed
        self._story = Story(machine, http, self._say)
        self._next_number = self._story.number
        self._numbers: dict[Step, int] = {}
        self._playing: asyncio.Task[None] | None = None
        self._button: Button | None = None

    def why_not(self, button: Button) -> str | None:
        """Why a button does nothing now."""
        if self._button is not None:
            return f"“{self._button.label}” is still running."
        if button.step is steps.redis_starts:
            return "Redis is running." if self._machine.redis.alive else None
        if not self._machine.redis.alive:
            return "Redis is stopped. Start it first."
        if button.follows is not None and button.follows not in self._numbers:
            return "There is no payment yet. Press “Pay” first."
        return None

    def press(self, button: Button) -> None:
        """Begin its step. Raises NotNowError."""
        reason = self.why_not(button)
        if reason is not None:
            raise NotNowError(reason)
        self._button = button
        self._playing = asyncio.create_task(self._play(button))

    async def stop(self) -> None:
        """Break off a step that is being played."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def _play(self, button: Button) -> None:
        self._changed()
        self._feed.add("step", title=button.title, label=button.label)
        self._story.number = self._number_for(button)
        try:
            await asyncio.to_thread(self._story.recount)
            await button.step(self._story)
        except StepError as exc:
            self._feed.add("verdict", holds=False, text=f"Does not hold: {exc}")
        except Exception as exc:  # whatever it is, it is shown
            said = f"Does not hold: {type(exc).__name__} {exc}"
            self._feed.add("verdict", holds=False, text=said)
        else:
            self._feed.add("verdict", holds=True, text="Holds.")
        finally:
            self._button = None
            self._changed()

    def _number_for(self, button: Button) -> int:
        if button.follows in self._numbers:
            return self._numbers[button.follows]
        number = self._numbers[button.step] = self._next_number
        self._next_number = next(self._machine.numbers)
        return number

    def _say(self, line: str) -> None:
        self._feed.add("said", text=line)
