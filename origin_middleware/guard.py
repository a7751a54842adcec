"""What all requests of one middleware share; set at construction, never changed."""

from dataclasses import dataclass

from .asgi import ASGIApp
from .complaints import Complaints
from .observer import Observer
from .running import Running
from .stores import Store


@dataclass(frozen=True, slots=True)
class Guard:
    app: ASGIApp
    store: Store
    observe: Observer
    running: Running
    complaints: Complaints
