"""CloudFront on one machine: real HTTP, the built edge bundle, and AWS's rules."""

from .distribution import (
    CACHING_DISABLED,
    CACHING_OPTIMIZED,
    Behaviour,
    CachePolicy,
    Distribution,
    Function,
    Origin,
    OriginRequestPolicy,
)
from .emulator import CloudFront
from .server import server_config

__all__ = [
    "CACHING_DISABLED",
    "CACHING_OPTIMIZED",
    "Behaviour",
    "CachePolicy",
    "CloudFront",
    "Distribution",
    "Function",
    "Origin",
    "OriginRequestPolicy",
    "server_config",
]
