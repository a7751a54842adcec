"""One behaviour: its triggers, its caching, and the request that the origin gets."""

from dataclasses import dataclass

from ...aws.distribution import Behaviour, Trigger, items, takes_grpc, triggers
from ...aws.forwarding import (
    MANAGED,
    Forwarded,
    of_cache_policy,
    of_legacy_settings,
    of_request_policy,
)
from ...aws.managed_policies import CACHING_DISABLED
from . import Raw, Unread, read

# The API's default for a missing field.
_DEFAULT_METHODS = ["GET", "HEAD"]

# CloudFront's defaults: a day, and a year.
_DEFAULT_TTL = 86_400
_MAXIMUM_TTL = 31_536_000


@dataclass(frozen=True, slots=True)
class Caching:
    minimum: int
    default: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The parts of the cache key are always sent as well."""

    parts: tuple[Forwarded, ...]

    def has(self, header: str) -> bool:
        return any(part.has(header) for part in self.parts)

    @property
    def has_whole_query(self) -> bool:
        return any(part.whole_query for part in self.parts)


@dataclass(frozen=True, slots=True)
class BehaviourFacts:
    pattern: str
    origin_id: str
    triggers: tuple[Trigger, ...]
    cloudfront_functions: frozenset[str]
    """The events on which a CloudFront Function runs."""
    caching: Caching | Unread
    forwarding: Forwarding | Unread
    viewer_protocol: str
    methods: frozenset[str]
    changed_headers: frozenset[str] | Unread
    """Of responses, in lower case: those that a policy sets or removes."""
    logged_fields: frozenset[str] | Unread
    """Of real-time logs."""
    takes_grpc: bool
    has_legacy_settings: bool
    """ForwardedValues, from before there were policies."""
    wants_signed_urls: bool
    """Or signed cookies: it has trusted key groups, or trusted signers."""
    has_cors: bool | Unread
    """A response headers policy adds access-control-allow-origin."""

    def arns(self, event: str) -> list[str]:
        return [trigger.arn for trigger in self.triggers if trigger.event == event]


def parse_behaviour(behaviour: Behaviour, policies: Raw) -> BehaviourFacts:
    raw = behaviour.raw
    return BehaviourFacts(
        pattern=behaviour.path_pattern,
        origin_id=behaviour.target_origin_id,
        triggers=tuple(triggers(raw)),
        cloudfront_functions=frozenset(
            item["EventType"] for item in items(raw, "FunctionAssociations")
        ),
        caching=_caching(raw, policies),
        forwarding=_forwarding(raw, policies),
        viewer_protocol=raw["ViewerProtocolPolicy"],
        methods=frozenset(items(raw, "AllowedMethods") or _DEFAULT_METHODS),
        changed_headers=_changed_headers(raw, policies),
        logged_fields=_logged_fields(raw, policies),
        takes_grpc=takes_grpc(raw),
        has_legacy_settings="ForwardedValues" in raw,
        wants_signed_urls=any(
            (raw.get(each) or {}).get("Enabled")
            for each in ("TrustedKeyGroups", "TrustedSigners")
        ),
        has_cors=_has_cors(raw, policies),
    )


def _caching(raw: Raw, policies: Raw) -> Caching | Unread:
    if raw.get("CachePolicyId") == CACHING_DISABLED:
        return Caching(0, 0, 0)
    policy = _policy_of(raw, policies, "CachePolicyId", "cachePolicies")
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


def _forwarding(raw: Raw, policies: Raw) -> Forwarding | Unread:
    known = MANAGED.get(raw.get("OriginRequestPolicyId", ""))
    if known is not None:
        return Forwarding((known.forwarded,))
    if "ForwardedValues" in raw:
        return Forwarding((of_legacy_settings(raw["ForwardedValues"]),))
    request = _policy_of(
        raw, policies, "OriginRequestPolicyId", "originRequestPolicies"
    )
    cache = _policy_of(raw, policies, "CachePolicyId", "cachePolicies")
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


def _changed_headers(raw: Raw, policies: Raw) -> frozenset[str] | Unread:
    kind = "responseHeadersPolicies"
    policy = _policy_of(raw, policies, "ResponseHeadersPolicyId", kind)
    if policy is None:
        return frozenset()
    found = read(policy, "the response headers policy")
    if isinstance(found, Unread):
        return found
    removed = items(found, "RemoveHeadersConfig")
    custom = items(found, "CustomHeadersConfig")
    # Without `Override` the origin's own header wins.
    overriding = [item for item in custom if item["Override"]]
    return frozenset(item["Header"].lower() for item in [*removed, *overriding])


def _has_cors(raw: Raw, policies: Raw) -> bool | Unread:
    kind = "responseHeadersPolicies"
    policy = _policy_of(raw, policies, "ResponseHeadersPolicyId", kind)
    if policy is None:
        return False
    found = read(policy, "the response headers policy")
    if isinstance(found, Unread):
        return found
    custom = (item["Header"].lower() for item in items(found, "CustomHeadersConfig"))
    return bool(found.get("CorsConfig")) or "access-control-allow-origin" in custom


def _logged_fields(raw: Raw, policies: Raw) -> frozenset[str] | Unread:
    log = _policy_of(raw, policies, "RealtimeLogConfigArn", "realtimeLogConfigs")
    if log is None:
        return frozenset()
    found = read(log, "the real-time log configuration")
    return found if isinstance(found, Unread) else frozenset(found["Fields"])


def _policy_of(raw: Raw, policies: Raw, key: str, kind: str) -> Raw | None:
    """AWS's answer about a behaviour's policy; None if it names none."""
    policy_id = raw.get(key)
    if not policy_id:
        return None
    missing: Raw = {"unread": f"{policy_id} was not asked for"}
    found: Raw = policies.get(kind, {}).get(policy_id, missing)
    return found
