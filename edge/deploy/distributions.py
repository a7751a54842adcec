"""The distribution: what CloudFront says of it, and what is asked of CloudFront."""

from collections.abc import Iterator
from typing import Any

from ..aws.behaviours import gated
from ..aws.forwarding import MANAGED, Policy, of_cache_policy, of_request_policy
from ..aws.items import items
from ..aws.session import no_distribution
from .associations import live
from .observed import Distribution
from .outcome import Done, Outcome, Superseded
from .steps import Associate


class Distributions:
    def __init__(self, client: Any, id_: str) -> None:
        self._client = client
        self._id = id_
        self._policies = dict(MANAGED)

    def observe(self) -> Distribution:
        try:
            found = self._client.get_distribution(Id=self._id)
        except self._client.exceptions.NoSuchDistribution as missing:
            raise no_distribution(self._id) from missing
        return Distribution(
            id=self._id,
            etag=found["ETag"],
            is_deployed=found["Distribution"]["Status"] == "Deployed",
            config=found["Distribution"]["DistributionConfig"],
        )

    def policies(
        self, config: dict[str, Any], paths: tuple[str, ...]
    ) -> dict[str, Policy]:
        """Of the gated behaviours. Each is read once: they hardly ever change."""
        for behaviour in gated(config, paths):
            cache = behaviour.raw.get("CachePolicyId")
            request = behaviour.raw.get("OriginRequestPolicyId")
            if cache and cache not in self._policies:
                self._policies[cache] = self._cache_policy(cache)
            if request and request not in self._policies:
                self._policies[request] = self._request_policy(request)
        return dict(self._policies)

    def others(self, function: str) -> Iterator[tuple[str, int]]:
        """The other distributions that run it, and which version."""
        pages = self._client.get_paginator("list_distributions").paginate()
        for page in pages:
            for summary in items(page, "DistributionList"):
                if summary["Id"] != self._id:
                    for version in sorted(live(summary, function)):
                        yield summary["Id"], version

    def associate(self, step: Associate) -> Outcome:
        """All behaviours at once: CloudFront takes the whole or refuses it."""
        exceptions = self._client.exceptions
        try:
            self._client.update_distribution(
                Id=self._id, IfMatch=step.etag, DistributionConfig=step.config
            )
        except (exceptions.PreconditionFailed, exceptions.InvalidIfMatchVersion):
            return Superseded(f"{self._id} was changed by somebody else")
        except exceptions.InvalidLambdaFunctionAssociation as refused:
            if "must be in an Active state" not in str(refused):
                raise
            return Superseded("CloudFront does not know yet that the version is active")
        return Done(f"{self._id} runs version {step.version}")

    def _cache_policy(self, id_: str) -> Policy:
        answer = self._client.get_cache_policy(Id=id_)
        config = answer["CachePolicy"]["CachePolicyConfig"]
        return Policy(config["Name"], of_cache_policy(config))

    def _request_policy(self, id_: str) -> Policy:
        answer = self._client.get_origin_request_policy(Id=id_)
        config = answer["OriginRequestPolicy"]["OriginRequestPolicyConfig"]
        return Policy(config["Name"], of_request_policy(config))
