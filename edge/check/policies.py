"""The policies that behaviours name: each kind is asked for in a way of its own."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..aws.distribution import behaviours
from ..aws.managed_policies import CACHING_DISABLED, FORWARDS_EVERY_HEADER
from . import redaction
from .facts.unread import Answer

# Those that need no asking: their ids say it.
_KNOWN = FORWARDS_EVERY_HEADER | {CACHING_DISABLED}


class Kind(NamedTuple):
    """How a behaviour names it, and how CloudFront is asked for it."""

    key: str
    name: str
    operation: str
    argument: str
    path: tuple[str, ...]


_KINDS = (
    Kind(
        "CachePolicyId",
        "cachePolicies",
        "get_cache_policy",
        "Id",
        ("CachePolicy", "CachePolicyConfig"),
    ),
    Kind(
        "OriginRequestPolicyId",
        "originRequestPolicies",
        "get_origin_request_policy",
        "Id",
        ("OriginRequestPolicy", "OriginRequestPolicyConfig"),
    ),
    Kind(
        "ResponseHeadersPolicyId",
        "responseHeadersPolicies",
        "get_response_headers_policy",
        "Id",
        ("ResponseHeadersPolicy", "ResponseHeadersPolicyConfig"),
    ),
    Kind(
        "RealtimeLogConfigArn",
        "realtimeLogConfigs",
        "get_realtime_log_config",
        "ARN",
        ("RealtimeLogConfig",),
    ),
)


def read_policies(config: Answer, read: Callable[[Kind, str], Answer]) -> Answer:
    """By kind and id, each once."""
    found: Answer = {}
    for kind in _KINDS:
        ids = {str(each.raw.get(kind.key) or "") for each in behaviours(config)}
        wanted = sorted(ids - _KNOWN - {""})
        found[kind.name] = {id_: read(kind, id_) for id_ in wanted}
    return found


def named(cloudfront: Any, kind: Kind, id_: str) -> Answer:
    answer = getattr(cloudfront, kind.operation)(**{kind.argument: id_})
    for name in kind.path:
        answer = answer[name]
    return redaction.header_values(answer)
