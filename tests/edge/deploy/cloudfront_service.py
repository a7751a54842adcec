"""CloudFront, as far as one distribution goes, and what it refuses to run."""

from typing import Any

from edge.aws.distribution import behaviours
from edge.aws.managed_policies import CACHING_OPTIMIZED
from tests.edge.deploy.clock import Clock
from tests.edge.deploy.lambda_service import LambdaService
from tests.edge.deploy.wire import AwsError, Parameters

ID = "E2QWRUHAPOMQZL"
RUNTIMES = ("python3.12", "python3.13", "python3.14", "nodejs22.x")


class CloudFrontService:
    def __init__(self, clock: Clock, config: Parameters, of: LambdaService) -> None:
        self._clock = clock
        self._functions = of
        self._changed = 0
        self._deployed_at = 0.0
        self.spreading = 90.0
        """Seconds until every edge location has a change."""
        self.config = config
        self.others: list[Parameters] = []
        self.tags: dict[str, str] = {}
        self.request_policies: dict[str, Parameters] = {}
        self.cache_policies = {
            CACHING_OPTIMIZED: cache_policy("Managed-CachingOptimized")
        }

    @property
    def etag(self) -> str:
        return f"ETAG{self._changed}"

    def change(self) -> None:
        """By somebody else, who has just touched `config`."""
        self._changed += 1
        self._deployed_at = self._clock.now() + self.spreading

    def get_distribution(self, Id: str) -> Parameters:  # noqa: N803 - AWS's names
        if Id != ID:
            raise AwsError(
                "NoSuchDistribution", "The specified distribution does not exist."
            )
        is_deployed = self._clock.now() >= self._deployed_at
        distribution = {
            "Id": ID,
            "ARN": f"arn:aws:cloudfront::123456789012:distribution/{ID}",
            "Status": "Deployed" if is_deployed else "InProgress",
            "LastModifiedTime": "2026-02-07T08:12:34Z",
            "InProgressInvalidationBatches": 0,
            "DomainName": "d111111abcdef8.cloudfront.net",
            "DistributionConfig": self.config,
        }
        return {"Distribution": distribution, "ETag": self.etag}

    def update_distribution(self, **given: Any) -> Parameters:
        if given["IfMatch"] != self.etag:
            raise AwsError("PreconditionFailed", "The If-Match version is not it.")
        for behaviour in behaviours(given["DistributionConfig"]):
            self._check(behaviour.raw)
        self.config = given["DistributionConfig"]
        self.change()
        return self.get_distribution(given["Id"])

    def list_tags_for_resource(self, Resource: str) -> Parameters:  # noqa: N803 - same
        assert Resource.endswith(f":distribution/{ID}")
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        return {"Tags": {"Items": tags}}

    def list_distributions(self, **_: Any) -> Parameters:
        mine = {
            "Id": ID,
            "DefaultCacheBehavior": self.config["DefaultCacheBehavior"],
            "CacheBehaviors": self.config["CacheBehaviors"],
        }
        items = [mine, *self.others]
        listed = {"Marker": "", "MaxItems": 100, "IsTruncated": False}
        return {"DistributionList": {**listed, "Quantity": len(items), "Items": items}}

    def get_cache_policy(self, Id: str) -> Parameters:  # noqa: N803 - same
        policy = {"Id": Id, "CachePolicyConfig": self.cache_policies[Id]}
        return {"CachePolicy": policy, "ETag": "E"}

    def get_origin_request_policy(self, Id: str) -> Parameters:  # noqa: N803 - same
        policy = {"Id": Id, "OriginRequestPolicyConfig": self.request_policies[Id]}
        return {"OriginRequestPolicy": policy, "ETag": "E"}

    def get_response_headers_policy(self, Id: str) -> Parameters:  # noqa: N803 - same
        removed = {"Quantity": 1, "Items": [{"Header": "Retry-After"}]}
        config = {"Name": Id, "RemoveHeadersConfig": removed}
        if Id != "answers":
            raise AwsError("AccessDenied", "not authorized")
        policy = {
            "Id": Id,
            "LastModifiedTime": "2026-02-07T08:12:34Z",
            "ResponseHeadersPolicyConfig": config,
        }
        return {"ResponseHeadersPolicy": policy, "ETag": "E"}

    def get_realtime_log_config(self, ARN: str) -> Parameters:  # noqa: N803 - same
        fields = ["timestamp", "cs-headers"]
        found = {"ARN": ARN, "Name": "log", "SamplingRate": 100, "EndPoints": []}
        return {"RealtimeLogConfig": found | {"Fields": fields}}

    def get_continuous_deployment_policy(self, Id: str) -> Parameters:  # noqa: N803 - same
        names = {"Quantity": 1, "Items": ["d2.cloudfront.net"]}
        config = {"StagingDistributionDnsNames": names, "Enabled": True}
        policy = {
            "Id": Id,
            "LastModifiedTime": "2026-02-07T08:12:34Z",
            "ContinuousDeploymentPolicyConfig": config,
        }
        return {"ContinuousDeploymentPolicy": policy, "ETag": "E"}

    def _check(self, raw: Parameters) -> None:
        if "CachePolicyId" in raw:
            for legacy in ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"):
                if legacy in raw:
                    raise AwsError(
                        "InvalidArgument",
                        f"The parameter {legacy} cannot be used when a cache policy is"
                        " associated to the cache behavior.",
                    )
        of_lambda = self._items(raw, "LambdaFunctionAssociations")
        of_cloudfront = self._items(raw, "FunctionAssociations")
        events = [each["EventType"] for each in of_lambda + of_cloudfront]
        if len(set(events)) != len(events):
            raise AwsError("InvalidLambdaFunctionAssociation", "one function an event")
        if _has_viewer_event(of_lambda) and _has_viewer_event(of_cloudfront):
            raise AwsError(
                "InvalidLambdaFunctionAssociation", "both kinds at viewer events"
            )
        for each in of_lambda:
            if self._functions.is_ours(each["LambdaFunctionARN"]):
                self._check_function(each)

    def _items(self, raw: Parameters, name: str) -> list[Parameters]:
        listed = raw.get(name, {"Quantity": 0})
        items: list[Parameters] = listed.get("Items", [])
        if listed["Quantity"] != len(items):
            raise AwsError("InconsistentQuantities", name)
        return items

    def _check_function(self, association: Parameters) -> None:
        found = self._functions.version(association["LambdaFunctionARN"])
        reason = None
        if found["State"] != "Active":
            reason = f"must be in an Active state. It is {found['State']}"
        elif found["Runtime"] not in RUNTIMES:
            reason = f"has a runtime that is not supported: {found['Runtime']}"
        elif found["Architectures"] != ["x86_64"] or found.get("Layers"):
            reason = "has an architecture or layers that are not supported"
        elif not self._functions._iam.trusts(found["Role"], "edgelambda.amazonaws.com"):
            reason = "has a role that edgelambda.amazonaws.com must be able to assume"
        elif association.get("IncludeBody") and "response" in association["EventType"]:
            reason = "cannot have the body of a response"
        if reason:
            raise AwsError(
                "InvalidLambdaFunctionAssociation", f"The function {reason}."
            )


def cache_policy(name: str, *headers: str, query: str = "none") -> Parameters:
    listed = {"Quantity": len(headers), "Items": list(headers)}
    key = {
        "EnableAcceptEncodingGzip": True,
        "HeadersConfig": (
            {"HeaderBehavior": "whitelist", "Headers": listed}
            if headers
            else {"HeaderBehavior": "none"}
        ),
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": query},
    }
    return {
        "Name": name,
        "MinTTL": 1,
        "ParametersInCacheKeyAndForwardedToOrigin": key,
    }


def request_policy(
    name: str, headers: str, *named: str, query: str = "all"
) -> Parameters:
    config: Parameters = {"HeaderBehavior": headers}
    if named:
        config["Headers"] = {"Quantity": len(named), "Items": list(named)}
    return {
        "Name": name,
        "HeadersConfig": config,
        "CookiesConfig": {"CookieBehavior": "all"},
        "QueryStringsConfig": {"QueryStringBehavior": query},
    }


def _has_viewer_event(listed: list[Parameters]) -> bool:
    return any(each["EventType"].startswith("viewer") for each in listed)
