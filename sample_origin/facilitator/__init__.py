"""The NexFlow facilitator, simulated on one machine after its published contract."""

from .contract import BASE_PATH
from .server import Settings, app, create_app

__all__ = ["BASE_PATH", "Settings", "app", "create_app"]
