"""Carries a plan out: look, take the first step, look again, until none is left.

Looking again after every step is what makes it safe to interrupt, to repeat and to
share the account with others: what was true a step ago is never relied on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from .account import Account
from .observed import Absent, Broken, Condition, Observed, Ready
from .outcome import Done, Stuck, Superseded
from .steps import Associate, Part, Plan, Refused, Step, parts
from .surroundings import Surroundings
from .waiting import Waiting
from .wording import told

Goal = Callable[[Observed], Plan | Refused]

# How often the same step is tried. IAM takes up to a minute to make a role known.
MOST_TRIES = 10
LONGEST_PAUSE = 10.0  # seconds, between two of them


class NotDone(Exception):
    """Refused, or not agreed to. Every reason says what to do next."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Pace:
    yes: bool
    """Go on without asking."""
    wait: bool
    """Until every edge location has it."""
    timeout: float
    """The longest wait for any one thing of AWS's, in seconds."""


class Deployment:
    def __init__(
        self,
        account: Account,
        goal: Goal,
        names: tuple[str, str],
        pace: Pace,
        around: Surroundings,
    ) -> None:
        """The names are those of the function and of the distribution."""
        self._account = account
        self._goal = goal
        self._names = names
        self._pace = pace
        self._around = around
        self._waiting = Waiting(pace.timeout, around)
        self._agreed: frozenset[Part] = frozenset()
        self._tried: dict[frozenset[Part], list[str]] = {}

    def show(self) -> None:
        """The plan, and nothing else."""
        self._tell(self._planned(self._account.observe()))

    def run(self) -> Observed:
        """Answers with the account as it is in the end."""
        while True:
            observed = self._until_nothing_is_left()
            if not self._pace.wait or self._waiting.until_deployed(
                observed.distribution.etag, self._account.distribution
            ):
                return observed

    def _until_nothing_is_left(self) -> Observed:
        while True:
            observed = self._when_ready()
            plan = self._planned(observed)
            if not plan.steps:
                if not self._tried:
                    self._tell(plan)
                return observed
            self._agree(plan)
            self._take(plan.steps[0])

    def _when_ready(self) -> Observed:
        """While Lambda is at work on the function it takes no orders."""
        seen: list[Observed] = []

        def condition() -> Condition:
            seen.append(self._account.observe())
            function = seen[-1].function
            if isinstance(function, Absent) or isinstance(function.condition, Broken):
                return Ready()  # to be planned with: it will be said there
            return function.condition

        self._waiting.until_ready(self._names[0], condition)
        return seen[-1]

    def _planned(self, observed: Observed) -> Plan:
        planned = self._goal(observed)
        if isinstance(planned, Refused):
            raise NotDone(*planned.reasons)
        return planned

    def _agree(self, plan: Plan) -> None:
        """Anew when there is something in the plan that was not shown before."""
        asked: frozenset[Part] = frozenset().union(*map(parts, plan.steps))
        if asked <= self._agreed:
            return
        self._tell(plan)
        answer = self._pace.yes or self._around.ask("Do this?")
        if answer is None:
            raise NotDone("nobody is there to ask. Repeat with --yes to go on.")
        if not answer:
            raise NotDone("stopped, as you asked.")
        self._agreed |= asked

    def _tell(self, plan: Plan) -> None:
        for line in told(plan, *self._names):
            self._around.say(line)
        if not plan.steps:
            self._around.say("nothing to change")

    def _take(self, step: Step) -> None:
        troubles = self._tried.setdefault(parts(step), [])
        if len(troubles) == MOST_TRIES:
            raise Stuck(f"{troubles[-1]}. Look at the account, then repeat.")
        if troubles:
            self._around.sleep(min(2.0 * len(troubles), LONGEST_PAUSE))
        if isinstance(step, Associate) and step.version is not None:
            self._until_active(step.version)
        match self._account.perform(step):
            case Done(said):
                self._waiting.progress(said)
                troubles.append(f"AWS accepts it and does not show it: {said}")
            case Superseded(why):
                self._waiting.progress(f"{why}: looking again")
                troubles.append(why)
            case other:
                assert_never(other)

    def _until_active(self, version: int) -> None:
        what = f"version {version} of {self._names[0]}"
        self._waiting.until_ready(what, lambda: self._account.condition(version))
