"""One row of the tables: an app with something in front of it, or with nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.handlers import Handlers
from origin_middleware.asgi import ASGIApp

Kind = Literal["control", "ours", "rival"]
Framework = Literal["starlette", "fastapi"]
Build = Callable[[Handlers, str], ASGIApp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    kind: Kind
    how: str
    """How it is used, in one line."""
    build: Build
    """Makes the app, from the handlers and the URL of the server."""
    framework: Framework = "starlette"
    distribution: str | None = None
    """The package whose version is reported."""
    header: bytes = b"idempotency-key"
    replays: bool = True
    keeps_responses: bool = True
    """False where only a function's return value is kept."""

    @property
    def bare(self) -> str:
        """The row with the same app and nothing else."""
        return "bare" if self.framework == "starlette" else "bare-fastapi"

    @property
    def floor(self) -> str:
        """The row with the same app and the bare commands."""
        return "floor" if self.framework == "starlette" else "floor-fastapi"
