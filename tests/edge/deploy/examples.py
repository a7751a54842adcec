"""Distributions as CloudFront shows them, and the environment of a build."""

from typing import Any

from edge.aws.managed_policies import CACHING_OPTIMIZED

Config = dict[str, Any]

ENVIRONMENT = {
    "NEXFLOW_FACILITATOR_URL": "https://example.org/x402",
    "NEXFLOW_API_KEY": "nf_live_OLDSECRET",
    "EDGE_SIGNING_SECRET": "0123456789abcdef0123456789abcdef",
    "EDGE_SIGNING_KEY_ID": "2026-01",
}
NEW_KEY = ENVIRONMENT | {"NEXFLOW_API_KEY": "nf_live_NEWSECRET"}

ROUTE = """
[[route]]
path = "/api/*"
network = "eip155:8453"
resource_id = "api"
"""
ROUTES = f'allowed_origins = "*"\n{ROUTE}'


def behaviour(origin: str, pattern: str | None = None, **more: Any) -> Config:
    """Cached, as a distribution is before it has a gate."""
    raw: Config = {
        "TargetOriginId": origin,
        "TrustedSigners": {"Enabled": False, "Quantity": 0},
        "TrustedKeyGroups": {"Enabled": False, "Quantity": 0},
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": {
            "Quantity": 2,
            "Items": ["HEAD", "GET"],
            "CachedMethods": {"Quantity": 2, "Items": ["HEAD", "GET"]},
        },
        "SmoothStreaming": False,
        "Compress": True,
        "LambdaFunctionAssociations": {"Quantity": 0},
        "FunctionAssociations": {"Quantity": 0},
        "FieldLevelEncryptionId": "",
        "CachePolicyId": CACHING_OPTIMIZED,
        **more,
    }
    return raw if pattern is None else {"PathPattern": pattern, **raw}


def legacy(origin: str, pattern: str, *headers: str) -> Config:
    """From before there were policies."""
    raw = behaviour(origin, pattern, MinTTL=0, DefaultTTL=86400, MaxTTL=31536000)
    del raw["CachePolicyId"]
    listed: Config = {"Quantity": len(headers)}
    raw["ForwardedValues"] = {
        "QueryString": True,
        "Cookies": {"Forward": "none"},
        "Headers": listed | ({"Items": list(headers)} if headers else {}),
        "QueryStringCacheKeys": {"Quantity": 0},
    }
    return raw


def distribution(*ordered: Config, default: Config | None = None) -> Config:
    """`api` and `site` are two servers; by default the site answers what is left."""
    return {
        "CallerReference": "example",
        "Aliases": {"Quantity": 0},
        "DefaultRootObject": "",
        "Origins": {"Quantity": 2, "Items": [_origin("api"), _origin("site")]},
        "OriginGroups": {"Quantity": 0},
        "DefaultCacheBehavior": default or behaviour("site"),
        "CacheBehaviors": (
            {"Quantity": len(ordered), "Items": list(ordered)}
            if ordered
            else {"Quantity": 0}
        ),
        "CustomErrorResponses": {"Quantity": 0},
        "Comment": "",
        "PriceClass": "PriceClass_All",
        "Enabled": True,
        "ViewerCertificate": {
            "CloudFrontDefaultCertificate": True,
            "MinimumProtocolVersion": "TLSv1",
        },
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "WebACLId": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": True,
    }


def lambda_association(event: str, name: str, version: int, **more: Any) -> Config:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}:{version}"
    return {"LambdaFunctionARN": arn, "EventType": event, "IncludeBody": False, **more}


def function_association(event: str, name: str) -> Config:
    arn = f"arn:aws:cloudfront::123456789012:function/{name}"
    return {"FunctionARN": arn, "EventType": event}


def listed(*items: Config) -> Config:
    return {"Quantity": len(items), "Items": list(items)}


def _origin(name: str) -> Config:
    return {
        "Id": name,
        "DomainName": f"{name}.example.org",
        "OriginPath": "",
        "CustomHeaders": {"Quantity": 0},
        "CustomOriginConfig": {
            "HTTPPort": 80,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "https-only",
            "OriginSslProtocols": {"Quantity": 1, "Items": ["TLSv1.2"]},
            "OriginReadTimeout": 30,
            "OriginKeepaliveTimeout": 5,
        },
        "ConnectionAttempts": 3,
        "ConnectionTimeout": 10,
        "OriginShield": {"Enabled": False},
    }
