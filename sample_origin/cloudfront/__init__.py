"""CloudFront on one machine: real HTTP, the built edge bundle, and AWS's rules."""

from .distribution import (
    ALL_METHODS,
    GET_AND_HEAD,
    GET_HEAD_AND_OPTIONS,
    Behaviour,
    Distribution,
    ErrorResponse,
    Function,
)
from .emulator import CloudFront
from .origins import Origin, OriginGroup
from .policies import (
    ALL_VIEWER,
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
    CACHING_OPTIMIZED,
    CORS_CUSTOM_ORIGIN,
    NO_ORIGIN_REQUEST_POLICY,
    USER_AGENT_REFERER_HEADERS,
    AllExcept,
    CachePolicy,
    Only,
    OriginRequestPolicy,
)
from .server import server_config

__all__ = [
    "ALL_METHODS",
    "ALL_VIEWER",
    "ALL_VIEWER_EXCEPT_HOST_HEADER",
    "CACHING_DISABLED",
    "CACHING_OPTIMIZED",
    "CORS_CUSTOM_ORIGIN",
    "GET_AND_HEAD",
    "GET_HEAD_AND_OPTIONS",
    "NO_ORIGIN_REQUEST_POLICY",
    "USER_AGENT_REFERER_HEADERS",
    "AllExcept",
    "Behaviour",
    "CachePolicy",
    "CloudFront",
    "Distribution",
    "ErrorResponse",
    "Function",
    "Only",
    "Origin",
    "OriginGroup",
    "OriginRequestPolicy",
    "server_config",
]
