"""What carries commands to one server."""

from collections.abc import Awaitable
from typing import Any, Protocol

Argument = bytes | str | int
Command = tuple[Argument, ...]


class Line(Protocol):
    closed: bool
    offset: int
    """From our event loop's clock to the server's, in ms."""
    quarantine: float
    """Until when, on the loop's clock, the server is not trusted with new claims."""

    in_order: bool
    """Commands may be sent without waiting for each other's replies."""

    def send(self, command: Command, until: float, /) -> Awaitable[Any]:
        """The reply.

        Raises ErrorReply for an error reply, TimeoutError after `until` (on the loop's
        clock) and ConnectionError where the connection was lost: then nobody knows
        whether the command was carried out.
        """

    def close(self, reason: str, /) -> None:
        """Whoever waits for a reply is given a ConnectionError."""

    async def wait_closed(self) -> None:
        """After `close`: until nothing is left of the connection."""
