"""Carries a plan out: look, take the first step, look again, until none is left.

Looking again after every step is what makes it safe to interrupt, to repeat and to
share the account with others: no step relies on an earlier look.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from ..errors import AwsTrouble, Refused
from .account import Account
from .associations import live
from .model import (
    Associate,
    Broken,
    Busy,
    Condition,
    Distribution,
    Done,
    Part,
    Plan,
    Ready,
    Snapshot,
    Step,
    Superseded,
    condition_of,
    parts,
)
from .terminal import System, told

# Raises Refused.
Planner = Callable[[Snapshot], Plan]

# The notes about a distribution before it is written.
Judge = Callable[[Associate], Iterable[str]]

# How often the same step is tried. IAM takes up to a minute to make a role known.
MOST_TRIES = 10
LONGEST_PAUSE = 10.0  # seconds, between two of them

FUNCTION_PAUSE = 2.0  # seconds; Lambda is done after some of them
DISTRIBUTION_PAUSE = 15.0  # CloudFront takes minutes
SIGN_OF_LIFE = 60.0


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
        planner: Planner,
        names: tuple[str, str],
        pace: Pace,
        system: System,
        judge: Judge = lambda _: (),
    ) -> None:
        """Takes the names of the function and of the distribution."""
        self._account = account
        self._planner = planner
        self._names = names
        self._pace = pace
        self._system = system
        self._judge = judge
        self._waiting = _Waiting(pace.timeout, system)
        self._agreed: frozenset[Part] = frozenset()
        self._tried: dict[frozenset[Part], list[str]] = {}

    def show(self) -> None:
        """The plan, and nothing else."""
        self._tell(self._planner(self._account.snapshot()))

    def run(self) -> None:
        """Raises Refused and AwsTrouble."""
        while True:
            snapshot = self._until_nothing_is_left()
            if not self._pace.wait or self._waiting.until_deployed(
                snapshot.distribution.etag, self._account.distribution
            ):
                break
        running = live(snapshot.distribution.config, self._names[0])
        version = ", ".join(map(str, sorted(running)))
        is_there = self._pace.wait or snapshot.distribution.is_deployed
        where = "answers at" if is_there else "is on its way to"
        self._system.say(
            f"version {version} of {self._names[0]} {where} every edge location of"
            f" {self._names[1]}"
        )

    def _until_nothing_is_left(self) -> Snapshot:
        while True:
            snapshot = self._when_ready()
            plan = self._planner(snapshot)
            if not plan.steps:
                if not self._tried:
                    self._tell(plan)
                return snapshot
            self._agree(plan)
            self._take(plan.steps[0])

    def _when_ready(self) -> Snapshot:
        """While Lambda is at work on the function it takes no orders."""
        seen: list[Snapshot] = []

        def condition() -> Condition:
            seen.append(self._account.snapshot())
            function = seen[-1].function
            found = condition_of(function) if function else Ready()
            return Ready() if isinstance(found, Broken) else found  # the plan says it

        self._waiting.until_ready(self._names[0], condition)
        return seen[-1]

    def _agree(self, plan: Plan) -> None:
        """Anew when there is something in the plan that was not shown before."""
        asked: frozenset[Part] = frozenset().union(*map(parts, plan.steps))
        if asked <= self._agreed:
            return
        self._tell(plan)
        answer = self._pace.yes or self._system.ask("Do this?")
        if answer is None:
            raise Refused("there is no terminal to ask on. Repeat with --yes to go on.")
        if not answer:
            raise Refused("stopped, as you asked.")
        self._agreed |= asked

    def _tell(self, plan: Plan) -> None:
        last = plan.steps[-1] if plan.steps else None
        judgement = self._judge(last) if isinstance(last, Associate) else ()
        for line in told(plan, *self._names, judgement):
            self._system.say(line)

    def _take(self, step: Step) -> None:
        troubles = self._tried.setdefault(parts(step), [])
        if len(troubles) == MOST_TRIES:
            raise AwsTrouble(f"{troubles[-1]}. Look at the account, then repeat.")
        if troubles:
            self._system.sleep(min(2.0 * len(troubles), LONGEST_PAUSE))
        if isinstance(step, Associate) and step.version is not None:
            self._until_active(step.version)
        match self._account.perform(step):
            case Done(said):
                self._waiting.progress(said)
                troubles.append(
                    f"AWS accepted the change, but it does not show up: {said}"
                )
            case Superseded(why):
                self._waiting.progress(f"{why}: looking again")
                troubles.append(why)
            case other:
                assert_never(other)

    def _until_active(self, version: int) -> None:
        what = f"version {version} of {self._names[0]}"
        self._waiting.until_ready(what, lambda: self._account.condition(version))


class _Waiting:
    """For AWS, and says so meanwhile."""

    def __init__(self, longest: float, system: System) -> None:
        """The longest wait is for any one thing, in seconds."""
        self._longest = longest
        self._system = system
        self._start = system.now()

    def until_ready(self, what: str, condition: Callable[[], Condition]) -> None:
        start, told_of = self._system.now(), ""
        while True:
            match condition():
                case Ready():
                    return
                case Broken(why):
                    raise AwsTrouble(f"{what} cannot be used: {why}.")
                case Busy(why):
                    if why != told_of:
                        self.progress(f"{what}: {why}")
                    told_of = why
                case other:
                    assert_never(other)
            self._rest(FUNCTION_PAUSE, start, f"{what}: {told_of}")

    def until_deployed(
        self, etag: str, distribution: Callable[[], Distribution]
    ) -> bool:
        """Whether it was this configuration that was deployed: not when it was
        changed meanwhile."""
        start, told_at = self._system.now(), float("-inf")
        while True:
            found = distribution()
            if found.etag != etag:
                self.progress(f"{found.id} was changed meanwhile: looking again")
                return False
            if found.is_deployed:
                self.progress(f"{found.id} is deployed")
                return True
            if self._system.now() - told_at >= SIGN_OF_LIFE:
                self.progress(f"{found.id} is being deployed; this takes some minutes")
                told_at = self._system.now()
            self._rest(DISTRIBUTION_PAUSE, start, f"{found.id} is still being deployed")

    def _rest(self, pause: float, start: float, what: str) -> None:
        waited = self._system.now() - start
        if waited >= self._longest:
            raise AwsTrouble(
                f"{what}, after {waited:.0f} s. Repeat the command to go on waiting:"
                " nothing is done twice."
            )
        self._system.sleep(pause)

    def progress(self, line: str) -> None:
        elapsed = self._system.now() - self._start
        self._system.say(f"[{elapsed:4.0f} s] {line}")
