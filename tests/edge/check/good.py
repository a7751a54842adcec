"""A configuration with which everything is well, as AWS would answer it.

Each function makes a fresh copy, so that a test can break one thing in it.
"""

from base64 import b64encode
from hashlib import sha256
from typing import Any

from edge.aws.managed_policies import (
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
    CACHING_OPTIMIZED,
)
from edge.build.bundle import Bundle
from edge.build.environment import read_environment
from edge.build.routes_file import parse_routes
from edge.build.zip import build
from edge.check.probe import Answered, Probe, ProbeResult
from edge.runtime.routes import Route
from tests.edge.check.filter_patterns import matched

Answer = dict[str, Any]

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:x402-edge"
ARN = f"{FUNCTION}:7"
REGIONS = ("us-east-1", "eu-west-1")
METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]

ROUTES = (
    Route("/api/joke", "eip155:8453", "joke-endpoint"),
    Route("/premium/*", "eip155:8453", "premium"),
)
_BUNDLE = build(
    read_environment(
        {
            "NEXFLOW_FACILITATOR_URL": "https://facilitator.example.org/x402",
            "NEXFLOW_API_KEY": "nf_live_SECRETKEY",
            "EDGE_SIGNING_SECRET": "0123456789abcdef0123456789abcdef",
            "EDGE_SIGNING_KEY_ID": "key-1",
        }
    ),
    parse_routes(
        {
            "allowed_origins": "*",
            "route": [
                {"path": path, "network": network, "resource_id": resource_id}
                for path, network, resource_id in ROUTES
            ],
        }
    ),
)
CONTENT = _BUNDLE.content
DIGEST = b64encode(sha256(CONTENT).digest()).decode()


def listed(items: list[Any]) -> Answer:
    return {"Quantity": len(items), "Items": items} if items else {"Quantity": 0}


def trigger(event: str, arn: str = ARN) -> Answer:
    return {"EventType": event, "LambdaFunctionARN": arn, "IncludeBody": False}


def paid_behaviour(pattern: str | None = None) -> Answer:
    behaviour = {
        "TargetOriginId": "api",
        "ViewerProtocolPolicy": "https-only",
        "AllowedMethods": {**listed(METHODS), "CachedMethods": listed(["GET", "HEAD"])},
        "Compress": True,
        "CachePolicyId": CACHING_DISABLED,
        "OriginRequestPolicyId": ALL_VIEWER_EXCEPT_HOST_HEADER,
        "LambdaFunctionAssociations": listed(
            [trigger("viewer-request"), trigger("origin-response")]
        ),
        "FunctionAssociations": listed([]),
    }
    return behaviour if pattern is None else {"PathPattern": pattern, **behaviour}


def static_behaviour(pattern: str) -> Answer:
    return {
        "PathPattern": pattern,
        "TargetOriginId": "web",
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": listed(["GET", "HEAD"]),
        "CachePolicyId": CACHING_OPTIMIZED,
        "LambdaFunctionAssociations": listed([]),
        "FunctionAssociations": listed([]),
    }


def origin(name: str, **changes: Any) -> Answer:
    return {
        "Id": name,
        "DomainName": f"{name}.example.org",
        "OriginPath": "",
        "CustomHeaders": listed([{"HeaderName": "x-shared", "HeaderValue": "s3cret"}]),
        "CustomOriginConfig": {
            "HTTPPort": 80,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "https-only",
            "OriginReadTimeout": 30,
            "OriginKeepaliveTimeout": 5,
        },
        "ConnectionAttempts": 3,
        "ConnectionTimeout": 10,
        "OriginShield": {"Enabled": False},
    } | changes


def error(status: int, **changes: Any) -> Answer:
    return {
        "ErrorCode": status,
        "ResponsePagePath": "",
        "ResponseCode": "",
        "ErrorCachingMinTTL": 0,
    } | changes


ERRORS = (404, 414, 500, 501, 502, 503, 504)


def distribution() -> Answer:
    return {
        "Id": "EDFDVBD6EXAMPLE",
        "ARN": "arn:aws:cloudfront::111122223333:distribution/EDFDVBD6EXAMPLE",
        "Status": "Deployed",
        "DomainName": "d111111abcdef8.cloudfront.net",
        "DistributionConfig": {
            "CallerReference": "once",
            "Comment": "",
            "Enabled": True,
            "Staging": False,
            "ContinuousDeploymentPolicyId": "",
            "DefaultRootObject": "",
            "Origins": listed([origin("api"), origin("web")]),
            "OriginGroups": listed([]),
            "CacheBehaviors": listed(
                [
                    paid_behaviour("/api/*"),
                    paid_behaviour("/premium*"),
                    static_behaviour("/static/*"),
                ]
            ),
            "DefaultCacheBehavior": paid_behaviour(),
            "CustomErrorResponses": listed([error(status) for status in ERRORS]),
        },
    }


def function() -> Answer:
    return {
        "FunctionArn": ARN,
        "Runtime": "python3.13",
        "Handler": "handler.handler",
        "Role": "arn:aws:iam::111122223333:role/x402-edge-role",
        "PackageType": "Zip",
        "Timeout": 5,
        "MemorySize": 128,
        "Architectures": ["x86_64"],
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "CodeSha256": DIGEST,
        "Version": "7",
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "TracingConfig": {"Mode": "PassThrough"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/x402-edge"},
    }


def role() -> Answer:
    return {
        "RoleName": "x402-edge-role",
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Service": ["lambda.amazonaws.com", "edgelambda.amazonaws.com"]
                    },
                    "Action": "sts:AssumeRole",
                }
            ],
        },
    }


def metric_filter(metric: str, pattern: str, value: str = "1") -> Answer:
    return {
        "filterName": metric,
        "filterPattern": pattern,
        "logGroupName": "/aws/lambda/us-east-1.x402-edge",
        "matched": matched(pattern),
        "metricTransformations": [
            {"metricNamespace": "Gate", "metricName": metric, "metricValue": value}
        ],
    }


def stat(query_id: str, metric: str, statistic: str) -> Answer:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {"Namespace": "Gate", "MetricName": metric},
            "Period": 300,
            "Stat": statistic,
        },
        "ReturnData": False,
    }


def alarm(name: str, **settings: Any) -> Answer:
    return {
        "AlarmName": name,
        "ActionsEnabled": True,
        "AlarmActions": ["arn:aws:sns:us-east-1:111122223333:oncall"],
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    } | settings


def rate(name: str, errors: str, calls: str, threshold: float) -> Answer:
    return alarm(
        name,
        Threshold=threshold,
        Metrics=[
            stat("errors", errors, "Sum"),
            stat("calls", calls, "Sum"),
            {
                "Id": "percent",
                "Expression": "IF(calls > 0, 100 * FILL(errors, 0) / calls, 0)",
                "ReturnData": True,
            },
        ],
    )


def region() -> Answer:
    verify, settle = '$.eventType = "verify"', '$.eventType = "settle"'
    return {
        "logGroups": [
            {"logGroupName": "/aws/lambda/us-east-1.x402-edge", "retentionInDays": 90}
        ],
        "metrics": [{"MetricName": "Invocations"}],
        "metricFilters": [
            metric_filter("Verifies", f"{{ {verify} }}"),
            metric_filter("VerifyErrors", f'{{ ({verify}) && ($.error = "*") }}'),
            metric_filter(
                "VerifyLatency",
                f"{{ ({verify}) && ($.latencyMs > 0) }}",
                "$.latencyMs",
            ),
            metric_filter("Settles", f"{{ {settle} }}"),
            metric_filter("SettleErrors", f'{{ ({settle}) && ($.error = "*") }}'),
            metric_filter(
                "Unpaid", f"{{ ({verify}) && ($.hasPaymentHeader IS FALSE) }}"
            ),
        ],
        "alarms": [
            rate("verify-errors", "VerifyErrors", "Verifies", 1.0),
            alarm(
                "verify-latency",
                Namespace="Gate",
                MetricName="VerifyLatency",
                ExtendedStatistic="p99",
                Period=300,
                Threshold=500.0,
            ),
            rate("settle-errors", "SettleErrors", "Settles", 5.0),
            alarm(
                "unpaid",
                ComparisonOperator="GreaterThanUpperThreshold",
                ThresholdMetricId="band",
                Metrics=[
                    stat("unpaid", "Unpaid", "Sum") | {"ReturnData": True},
                    {
                        "Id": "band",
                        "Expression": "ANOMALY_DETECTION_BAND(unpaid, 3)",
                        "ReturnData": True,
                    },
                ],
            ),
        ],
    }


def answers() -> Answer:
    allowed = {"EvalDecision": "allowed"}
    return {
        "schema": 1,
        "takenAt": "2026-02-07T08:12:34+00:00",
        "distribution": distribution(),
        "policies": {
            "cachePolicies": {
                CACHING_OPTIMIZED: {
                    "Name": "Managed-CachingOptimized",
                    "MinTTL": 1,
                    "DefaultTTL": 86_400,
                    "MaxTTL": 31_536_000,
                    "ParametersInCacheKeyAndForwardedToOrigin": {
                        "EnableAcceptEncodingGzip": True,
                        "HeadersConfig": {"HeaderBehavior": "none"},
                        "CookiesConfig": {"CookieBehavior": "none"},
                        "QueryStringsConfig": {"QueryStringBehavior": "none"},
                    },
                }
            },
            "originRequestPolicies": {},
            "responseHeadersPolicies": {},
            "realtimeLogConfigs": {},
        },
        "function": function(),
        "versions": {
            "Versions": [
                {"Version": "$LATEST", "CodeSha256": DIGEST},
                {"Version": "6", "CodeSha256": b64encode(b"\6" * 32).decode()},
                {"Version": "7", "CodeSha256": DIGEST},
            ]
        },
        "role": role(),
        "logPermission": {
            "EvaluationResults": [
                {"EvalActionName": action, **allowed}
                for action in ("logs:CreateLogStream", "logs:PutLogEvents")
            ]
        },
        "regions": {name: region() for name in REGIONS},
    }


def bundle() -> Bundle:
    return _BUNDLE


UNPAID = (
    b'{"status": "payment_required",'
    b' "message": "x402 payment required to access this resource.",'
    b' "requirement": null, "reason": "missing_payment_header"}'
)
NO_STORE = {"content-type": "application/json", "cache-control": "no-store"}
REPLAYED = {"content-type": "application/json", "idempotent-replayed": "true"}
PROBLEM = {"content-type": "application/problem+json"}


def probes() -> dict[Probe, ProbeResult]:
    return {
        Probe.UNPAID: Answered(402, NO_STORE, UNPAID),
        Probe.PAID: Answered(200, {}, b"a joke"),
        Probe.REPEATED: Answered(200, REPLAYED, b"a joke"),
        Probe.FORGED: Answered(200, REPLAYED, b"a joke"),
        Probe.DIRECT: Answered(401, PROBLEM, b"{}"),
        Probe.FACILITATOR: Answered(200, {}, b'{"valid": false}'),
    }
