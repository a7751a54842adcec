"""Waits for AWS, and says so while it does."""

from collections.abc import Callable
from typing import assert_never

from .observed import Broken, Busy, Condition, Distribution, Ready
from .outcome import Stuck
from .surroundings import Surroundings

FUNCTION_PAUSE = 2.0  # seconds; Lambda is done after some of them
DISTRIBUTION_PAUSE = 15.0  # CloudFront takes minutes
SIGN_OF_LIFE = 60.0


class Waiting:
    def __init__(self, longest: float, around: Surroundings) -> None:
        """The longest wait is for any one thing, in seconds."""
        self._longest = longest
        self._around = around
        self._start = around.now()

    def until_ready(self, what: str, condition: Callable[[], Condition]) -> None:
        start, told_of = self._around.now(), ""
        while True:
            match condition():
                case Ready():
                    return
                case Broken(why):
                    raise Stuck(f"{what} cannot be used: {why}.")
                case Busy(why):
                    if why != told_of:
                        self.progress(f"{what}: {why}")
                    told_of = why
                case other:
                    assert_never(other)
            self.rest(FUNCTION_PAUSE, start, f"{what}: {told_of}")

    def until_deployed(
        self, etag: str, distribution: Callable[[], Distribution]
    ) -> bool:
        """Whether it was this configuration that was deployed: not when it was
        changed meanwhile."""
        start, told_at = self._around.now(), float("-inf")
        while True:
            found = distribution()
            if found.etag != etag:
                self.progress(f"{found.id} was changed meanwhile: looking again")
                return False
            if found.is_deployed:
                self.progress(f"{found.id} is deployed")
                return True
            if self._around.now() - told_at >= SIGN_OF_LIFE:
                self.progress(f"{found.id} is being deployed; this takes some minutes")
                told_at = self._around.now()
            self.rest(DISTRIBUTION_PAUSE, start, f"{found.id} is still being deployed")

    def rest(self, pause: float, start: float, what: str) -> None:
        waited = self._around.now() - start
        if waited >= self._longest:
            raise Stuck(
                f"{what}, after {waited:.0f} s. Repeat the command to go on waiting:"
                " nothing is done twice."
            )
        self._around.sleep(pause)

    def progress(self, line: str) -> None:
        elapsed = self._around.now() - self._start
        self._around.say(f"[{elapsed:4.0f} s] {line}")
