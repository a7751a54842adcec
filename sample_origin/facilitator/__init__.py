"""The NexFlow facilitator as its contract is published, simulated on one machine."""

from .contract import app, create_app
from .settings import BASE_PATH, Settings

__all__ = ["BASE_PATH", "Settings", "app", "create_app"]
