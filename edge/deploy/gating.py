"""Puts the gate in front of a distribution's origin, on a copy. Pure."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from ..aws.distribution import (
    Behaviour,
    behaviours,
    gated,
    keep_none,
    serves,
    sharing_origin,
)
from ..aws.forwarding import (
    MANAGED,
    Forwarded,
    Policy,
    lost,
    of_legacy_settings,
    substitute,
    suits,
)
from ..aws.function import Function
from ..aws.managed_policies import CACHING_DISABLED
from . import associations
from .model import Associate, Snapshot, Spec

# Behaviours have these or a cache policy, never both: AWS refuses the mixture.
_LEGACY = ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL")


def associate(
    snapshot: Snapshot, spec: Spec, version: int | None
) -> tuple[Associate | None, tuple[str, ...]]:
    """The step, if one is needed, and the notes about it."""
    distribution = snapshot.distribution
    policies = {**MANAGED, **snapshot.policies}
    config = deepcopy(distribution.config)
    arn = version_arn(snapshot.function, spec.function, version)
    _run(config, spec, arn)
    taken = _taken_off(distribution.config, config, spec.function)
    notes = (*taken, *_open(config, spec, policies))
    keep_none(config)
    names = {each: policy.name for each, policy in policies.items()}
    changed = associations.changes(distribution.config, config, names)
    if not changed:
        return None, notes
    return Associate(version, distribution.etag, config, changed), notes


def version_arn(function: Function | None, name: str, number: int | None) -> str:
    arn = (
        function.arn.unqualified
        if function
        else f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    )
    return f"{arn}:{associations.NEXT if number is None else number}"


def _run(config: dict[str, Any], spec: Spec, arn: str) -> None:
    for behaviour in sharing_origin(config, spec.paths):
        associations.place(behaviour.raw, arn)
    # A route may have moved on from a behaviour that still runs an old version,
    # and with it an old key. The new version lets free requests pass.
    for behaviour in behaviours(config):
        associations.move(behaviour.raw, spec.function, arn)


def _taken_off(
    before: dict[str, Any], after: dict[str, Any], name: str
) -> Iterator[str]:
    """It may be a gate. Its bundle is not read: whose it is is not known."""
    gone: dict[str, list[str]] = {}
    for old, new in zip(behaviours(before), behaviours(after), strict=True):
        for function in associations.viewer_requests(old.raw):
            if function not in (name, *associations.viewer_requests(new.raw)):
                gone.setdefault(function, []).append(old.path_pattern)
    for function, patterns in gone.items():
        yield (
            f"{function} is taken off {', '.join(patterns)}. If it is a gate, its paths"
            " that are not in this bundle become free, and its signatures were not"
            " compared with this bundle's"
        )


def _open(
    config: dict[str, Any], spec: Spec, policies: Mapping[str, Policy]
) -> Iterator[str]:
    if not config.get("Enabled", True):
        yield "the distribution is disabled, so nobody can reach it"
    for behaviour in gated(config, spec.paths):
        if behaviour.raw.get("CachePolicyId") != CACHING_DISABLED:
            yield from _bare_prefixes(config, spec.paths, behaviour)
        yield from _let_through(behaviour, policies, spec.contract)
        if behaviour.raw.get("ViewerProtocolPolicy") == "allow-all":
            # Everybody on the way could read the payment proof.
            behaviour.raw["ViewerProtocolPolicy"] = "redirect-to-https"


def _bare_prefixes(
    config: dict[str, Any], paths: tuple[str, ...], behaviour: Behaviour
) -> Iterator[str]:
    """A route `/api/*` includes `/api`, and CloudFront's pattern `/api/*` does not:
    so the behaviour after it serves a paid path, often with a whole site."""
    patterns = [each.path_pattern for each in behaviours(config)]
    earlier = patterns[: patterns.index(behaviour.path_pattern)]
    bare = [path.removesuffix("/*") for path in paths if path.endswith("/*")]
    pattern = behaviour.path_pattern
    if any(serves(pattern, [*earlier, *bare], path) for path in paths):
        return
    if not set(pattern) & set("*?"):  # it was made for this path
        return
    served = ", ".join(each for each in bare if serves(pattern, earlier, each))
    yield (
        f"{pattern} is gated and no longer cached because it serves {served}. To keep"
        f" it cached, add a behaviour for {served} in CloudFront first."
    )


def _let_through(
    behaviour: Behaviour, policies: Mapping[str, Policy], contract: frozenset[str]
) -> Iterator[str]:
    """Nothing is answered from the cache, and the origin is sent everything."""
    raw = behaviour.raw
    cached_on = _cached_on(raw, policies)
    raw["CachePolicyId"] = CACHING_DISABLED
    for setting in _LEGACY:
        raw.pop(setting, None)
    present = raw.get("OriginRequestPolicyId")
    before = [cached_on, *([policies[present].forwarded] if present else [])]
    if present and suits(policies[present].forwarded, contract, cached_on):
        return
    raw["OriginRequestPolicyId"] = substitute(*before)
    for header in lost(raw["OriginRequestPolicyId"], *before):
        yield f"{behaviour.path_pattern}: the origin is no longer sent {header}"


def _cached_on(raw: dict[str, Any], policies: Mapping[str, Policy]) -> Forwarded:
    if raw.get("CachePolicyId"):
        return policies[raw["CachePolicyId"]].forwarded
    return of_legacy_settings(raw.get("ForwardedValues"))
