"""What IAM is asked for a call: the action, the resource, and the keys of conditions.

AWS, "Actions, resources, and condition keys" of CloudFront, Lambda, IAM, CloudWatch and
CloudWatch Logs. The actions that AWS asks for on the way are here as well.
"""

from collections.abc import Iterator
from typing import Any

from tests.support.iam_policy import Request

Parameters = dict[str, Any]

_CLOUDFRONT = {
    "GetDistribution": "distribution",
    "UpdateDistribution": "distribution",
    "GetCachePolicy": "cache-policy",
    "GetOriginRequestPolicy": "origin-request-policy",
    "GetResponseHeadersPolicy": "response-headers-policy",
    "GetContinuousDeploymentPolicy": "continuous-deployment-policy",
}


def requests(action: str, given: Parameters, account: str) -> Iterator[Request]:
    service, _, operation = action.partition(":")
    match service:
        case "iam":
            yield _of_iam(action, given, account)
        case "lambda":
            arn = _function(given, account)
            yield Request(action, arn)
            if "Role" in given:
                to = {"iam:PassedToService": "lambda.amazonaws.com"}
                yield Request("iam:PassRole", given["Role"], to)
        case "cloudfront":
            kind = _CLOUDFRONT.get(operation)
            named = f"arn:aws:cloudfront::{account}:{kind}/{given.get('Id')}"
            other = given.get("ARN") or given.get("Resource", "*")
            yield Request(action, named if kind else other)
            if operation == "UpdateDistribution":
                yield from _of_associations(given["DistributionConfig"])
        case _:
            yield Request(action, "*")


def _of_iam(action: str, given: Parameters, account: str) -> Request:
    name = given.get("RoleName") or given["PolicySourceArn"].rpartition("/")[2]
    policy = given.get("PolicyArn")
    context = {"iam:PolicyARN": policy} if policy else {}
    return Request(action, f"arn:aws:iam::{account}:role/{name}", context)


def _function(given: Parameters, account: str) -> str:
    name = given["FunctionName"]
    if not name.startswith("arn:"):
        name = f"arn:aws:lambda:us-east-1:{account}:function:{name}"
    return f"{name}:{given['Qualifier']}" if "Qualifier" in given else str(name)


def _of_associations(config: Parameters) -> Iterator[Request]:
    """AWS, "Set up IAM permissions and roles for Lambda@Edge"."""
    ordered = config["CacheBehaviors"].get("Items", [])
    for behaviour in [config["DefaultCacheBehavior"], *ordered]:
        for each in behaviour["LambdaFunctionAssociations"].get("Items", []):
            arn = each["LambdaFunctionARN"]
            for action in ("GetFunction", "EnableReplication*", "DisableReplication*"):
                yield Request(f"lambda:{action}", arn)
    for name in ("replicator.lambda", "logger.cloudfront"):
        service = f"{name}.amazonaws.com"
        role = {"iam:AWSServiceName": service}
        yield Request("iam:CreateServiceLinkedRole", "*", role)
