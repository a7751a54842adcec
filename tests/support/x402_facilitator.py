"""The sample's standard facilitator, on a loopback port for the length of a `with`."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette

from sample_origin.facilitator.x402 import Facilitator

from .running import serving

__all__ = ["Facilitator", "facilitating"]


@contextmanager
def facilitating(*faults: str) -> Iterator[tuple[Facilitator, str]]:
    facilitator = Facilitator(faults=list(faults))
    with serving(Starlette(routes=facilitator.routes)) as url:
        yield facilitator, url
