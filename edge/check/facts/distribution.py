"""The distribution: the settings of all its behaviours, and its origins."""

from dataclasses import dataclass

from ...aws.distribution import (
    Config,
    items,
    kept_for,
    replaced,
    without_origin_triggers,
)
from . import Raw, Unread, read


@dataclass(frozen=True, slots=True)
class Origin:
    origin_id: str
    domain: str
    path_prefix: str
    protocol: str | None
    """None if CloudFront decides: an S3 bucket, or an origin in a VPC."""
    read_timeout: int | None
    attempts: int
    added_headers: frozenset[str]
    """In lower case. Names only: their values are shared secrets."""
    is_shielded: bool
    without_triggers: str
    """Why AWS runs no origin-response function for it; empty if it does."""


@dataclass(frozen=True, slots=True)
class Distribution:
    distribution_id: str
    domain: str
    status: str
    is_enabled: bool
    is_staging: bool
    is_multi_tenant: bool
    """It answers at the domains of its tenants, and not at its own."""
    canary: str | Unread
    """Where some of the traffic goes instead; empty for nowhere."""
    root_object: str
    origins: tuple[Origin, ...]
    groups: dict[str, tuple[str, ...]]
    errors_kept: dict[int, int]
    """Seconds by status."""
    pages: dict[int, int]
    """Statuses that show an error page, each with the status shown instead."""
    unknown: tuple[str, ...]
    """Settings that the installed boto3 does not know, by their place in `config`."""
    config: Config


def parse_distribution(raw: Raw, continuous: Raw | None) -> Distribution:
    """From GetDistribution and GetContinuousDeploymentPolicy."""
    config: Config = raw["DistributionConfig"]
    unknown = tuple(raw.get("unknown", ()))
    return Distribution(
        distribution_id=raw["Id"],
        domain=raw["DomainName"],
        status=raw["Status"],
        is_enabled=config["Enabled"],
        is_staging=config.get("Staging", False),
        is_multi_tenant=config.get("ConnectionMode") == "tenant-only",
        canary=_canary(config, continuous),
        root_object=config.get("DefaultRootObject", ""),
        origins=tuple(_origin(item, unknown) for item in config["Origins"]["Items"]),
        groups=_groups(config),
        errors_kept=kept_for(config),
        pages=replaced(config),
        unknown=unknown,
        config=config,
    )


def _canary(config: Config, raw: Raw | None) -> str | Unread:
    if not config.get("ContinuousDeploymentPolicyId"):
        return ""
    found = read(raw, "the continuous deployment policy")
    if isinstance(found, Unread):
        return found
    if not found["Enabled"]:
        return ""
    names: list[str] = items(found, "StagingDistributionDnsNames")
    return ", ".join(names) or "a staging distribution"


def _origin(item: Raw, unknown: tuple[str, ...]) -> Origin:
    custom = item.get("CustomOriginConfig", {})
    settings = custom or item.get("VpcOriginConfig", {})
    return Origin(
        origin_id=item["Id"],
        domain=item["DomainName"],
        path_prefix=item.get("OriginPath", ""),
        protocol=custom.get("OriginProtocolPolicy"),
        read_timeout=settings.get("OriginReadTimeout"),
        attempts=item.get("ConnectionAttempts", 3),
        added_headers=frozenset(
            header["HeaderName"].lower() for header in items(item, "CustomHeaders")
        ),
        is_shielded=item.get("OriginShield", {}).get("Enabled", False),
        without_triggers=without_origin_triggers(item, unknown),
    )


def _groups(config: Config) -> dict[str, tuple[str, ...]]:
    return {
        group["Id"]: tuple(member["OriginId"] for member in items(group, "Members"))
        for group in items(config, "OriginGroups")
    }
