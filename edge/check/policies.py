"""The policies that behaviours name, as AWS has them. No secret is kept.

Where one cannot be read, the reason stands in its place.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..aws.distribution import Behaviour
from ..aws.managed_policies import CACHING_DISABLED, FORWARDS_EVERY_HEADER
from ..aws.session import explained
from ..errors import AwsTrouble
from . import redaction
from .facts import Raw

# Policies that need no asking: their ids say what is in them.
_KNOWN = FORWARDS_EVERY_HEADER | {CACHING_DISABLED}


class _Kind(NamedTuple):
    """Of policies: how a behaviour names one, and how to ask CloudFront for it."""

    key: str
    name: str
    operation: str
    argument: str
    path: tuple[str, ...]


_KINDS = (
    _Kind(
        "CachePolicyId",
        "cachePolicies",
        "get_cache_policy",
        "Id",
        ("CachePolicy", "CachePolicyConfig"),
    ),
    _Kind(
        "OriginRequestPolicyId",
        "originRequestPolicies",
        "get_origin_request_policy",
        "Id",
        ("OriginRequestPolicy", "OriginRequestPolicyConfig"),
    ),
    _Kind(
        "ResponseHeadersPolicyId",
        "responseHeadersPolicies",
        "get_response_headers_policy",
        "Id",
        ("ResponseHeadersPolicy", "ResponseHeadersPolicyConfig"),
    ),
    _Kind(
        "RealtimeLogConfigArn",
        "realtimeLogConfigs",
        "get_realtime_log_config",
        "ARN",
        ("RealtimeLogConfig",),
    ),
)

# Asks AWS for one thing, or says why that was impossible.
OrWhy = Callable[[Callable[[str], Raw], str], Raw]


def or_why(who: str, needed: str) -> OrWhy:
    """`needed` is the file that lists the permissions of the command."""

    def asked(read: Callable[[str], Raw], argument: str) -> Raw:
        try:
            with explained(who, needed):
                return read(argument)
        except AwsTrouble as trouble:
            return {"unread": str(trouble)}

    return asked


def read_policies(client: Any, named_by: Iterable[Behaviour], asked: OrWhy) -> Raw:
    """By kind and id, each once."""
    named = list(named_by)
    found: Raw = {}
    for kind in _KINDS:
        ids = {str(each.raw.get(kind.key) or "") for each in named}
        wanted = sorted(ids - _KNOWN - {""})
        found[kind.name] = {id_: asked(_reader(client, kind), id_) for id_ in wanted}
    return found


def read_continuous_deployment(client: Any, config: Raw, asked: OrWhy) -> Raw | None:
    """None if the distribution names no such policy."""

    def read(id_: str) -> Raw:
        answer = client.get_continuous_deployment_policy(Id=id_)
        policy: Raw = answer["ContinuousDeploymentPolicy"]
        return redaction.continuous_deployment(
            policy["ContinuousDeploymentPolicyConfig"]
        )

    policy = config.get("ContinuousDeploymentPolicyId")
    return asked(read, policy) if policy else None


def _reader(client: Any, kind: _Kind) -> Callable[[str], Raw]:
    def read(id_: str) -> Raw:
        answer = getattr(client, kind.operation)(**{kind.argument: id_})
        for name in kind.path:
            answer = answer[name]
        return redaction.header_values(answer)

    return read
