"""Tiny functions and origins: a handler written in a test becomes a bundle."""

from .bundle import Event, Handler, bundle, log, pass_through
from .emulated import Emulated, emulated
from .origins import Counted, Silent, reflecting

__all__ = [
    "Counted",
    "Emulated",
    "Event",
    "Handler",
    "Silent",
    "bundle",
    "emulated",
    "log",
    "pass_through",
    "reflecting",
]
