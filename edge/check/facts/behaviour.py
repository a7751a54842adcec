"""One behaviour: its triggers, what it caches, and what it hands to the origin."""

from dataclasses import dataclass

from ...aws.distribution import Behaviour, Trigger, items, takes_grpc, triggers
from .policy import Caching, Forwarding, caching, forwarding, policy_of
from .unread import Answer, Unread, read

# What the API assumes when the field is not sent.
_DEFAULT_METHODS = ["GET", "HEAD"]


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

    def arns(self, event: str) -> list[str]:
        return [trigger.arn for trigger in self.triggers if trigger.event == event]


def parse_behaviour(behaviour: Behaviour, policies: Answer) -> BehaviourFacts:
    raw = behaviour.raw
    return BehaviourFacts(
        pattern=behaviour.path_pattern,
        origin_id=behaviour.target_origin_id,
        triggers=tuple(triggers(raw)),
        cloudfront_functions=frozenset(
            item["EventType"] for item in items(raw, "FunctionAssociations")
        ),
        caching=caching(raw, policies),
        forwarding=forwarding(raw, policies),
        viewer_protocol=raw["ViewerProtocolPolicy"],
        methods=frozenset(items(raw, "AllowedMethods") or _DEFAULT_METHODS),
        changed_headers=_changed_headers(raw, policies),
        logged_fields=_logged_fields(raw, policies),
        takes_grpc=takes_grpc(raw),
    )


def _changed_headers(raw: Answer, policies: Answer) -> frozenset[str] | Unread:
    kind = "responseHeadersPolicies"
    policy = policy_of(raw, policies, "ResponseHeadersPolicyId", kind)
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


def _logged_fields(raw: Answer, policies: Answer) -> frozenset[str] | Unread:
    log = policy_of(raw, policies, "RealtimeLogConfigArn", "realtimeLogConfigs")
    if log is None:
        return frozenset()
    found = read(log, "the real-time log configuration")
    return found if isinstance(found, Unread) else frozenset(found["Fields"])
