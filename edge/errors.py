"""How a command ends without success: two exceptions, one for each exit status.

Both are told to the operator in one line per reason, without a traceback.
"""

from typing import Any

# What an operator types: in a checkout, and where the wheel is installed.
COMMAND = "python -m edge" if __package__ == "edge" else "x402-edge"

FAILED = 1
REFUSED = 2  # as argparse


class Refused(Exception):
    """The operator has to change something before repeating the command.

    Each reason says what to change."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


class AwsTrouble(Exception):
    """AWS failed. One line says why, and what to do about it."""

    @property
    def code(self) -> str:
        """AWS's own, where it has answered."""
        answer: dict[str, Any] = getattr(self.__cause__, "response", {})
        return str(answer.get("Error", {}).get("Code", ""))
