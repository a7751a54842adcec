"""What a behaviour's policies say: how long it keeps, and what the origin is sent."""

from dataclasses import dataclass

from ...aws.forwarding import (
    MANAGED,
    Forwarded,
    of_cache_policy,
    of_legacy_settings,
    of_request_policy,
)
from ...aws.managed_policies import CACHING_DISABLED
from .unread import Answer, Unread, read

# What CloudFront assumes where nothing is said: a day, and a year.
_DEFAULT_TTL = 86_400
_MAXIMUM_TTL = 31_536_000


@dataclass(frozen=True, slots=True)
class Caching:
    minimum: int
    default: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What is in the cache key is sent as well, without being asked for."""

    parts: tuple[Forwarded, ...]

    def has(self, header: str) -> bool:
        return any(part.has(header) for part in self.parts)

    @property
    def has_whole_query(self) -> bool:
        return any(part.whole_query for part in self.parts)


def policy_of(raw: Answer, policies: Answer, key: str, kind: str) -> Answer | None:
    """The answer for the policy that a behaviour names; None where it names none."""
    policy_id = raw.get(key)
    if not policy_id:
        return None
    missing: Answer = {"unread": f"{policy_id} was not asked for"}
    found: Answer = policies.get(kind, {}).get(policy_id, missing)
    return found


def caching(raw: Answer, policies: Answer) -> Caching | Unread:
    if raw.get("CachePolicyId") == CACHING_DISABLED:
        return Caching(0, 0, 0)
    policy = policy_of(raw, policies, "CachePolicyId", "cachePolicies")
    # AWS, "Cache based on selected request headers": all of them is no caching.
    if policy is None and of_legacy_settings(raw.get("ForwardedValues")).every_header:
        return Caching(0, 0, 0)
    found = read(raw if policy is None else policy, "the cache policy")
    if isinstance(found, Unread):
        return found
    return Caching(
        found.get("MinTTL", 0),
        found.get("DefaultTTL", _DEFAULT_TTL),
        found.get("MaxTTL", _MAXIMUM_TTL),
    )


def forwarding(raw: Answer, policies: Answer) -> Forwarding | Unread:
    known = MANAGED.get(raw.get("OriginRequestPolicyId", ""))
    if known is not None:
        return Forwarding((known.forwarded,))
    if "ForwardedValues" in raw:
        return Forwarding((of_legacy_settings(raw["ForwardedValues"]),))
    request = policy_of(raw, policies, "OriginRequestPolicyId", "originRequestPolicies")
    cache = policy_of(raw, policies, "CachePolicyId", "cachePolicies")
    parts = []
    if request is not None:
        found = read(request, "the origin request policy")
        if isinstance(found, Unread):
            return found
        parts.append(of_request_policy(found))
    if cache is not None and raw["CachePolicyId"] != CACHING_DISABLED:
        found = read(cache, "the cache policy")
        if isinstance(found, Unread):  # it may send what the other one does not
            return found
        parts.append(of_cache_policy(found))
    return Forwarding(tuple(parts))
