"""What became of a step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    said: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """The account is no longer as the plan has it: read it again, then go on."""

    why: str


Outcome = Done | Superseded


class Stuck(Exception):
    """It does not go on by itself. The message says what to do."""
