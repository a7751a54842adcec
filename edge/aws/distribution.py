"""A distribution's configuration, as botocore returns CloudFront's.

Which behaviours the gate has to stand in front of, what runs in them, and what becomes
of an error of the origin. Pure: a `DistributionConfig` and route patterns.

CloudFront takes the first behaviour whose pattern matches the normalised path.
So a behaviour can serve a gated request when some path is in the language of a route,
in that of its pattern, and in none of the patterns before it.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .path_patterns import example

Config = dict[str, Any]

# AWS, "How CloudFront processes HTTP 4xx and 5xx status codes from your origin":
# these are kept whatever the origin says, and unless another time is set, for this.
ALWAYS_KEPT = (404, 414, 500, 501, 502, 503, 504)
_KEPT_FOR = 10  # seconds


class Behaviour(NamedTuple):
    path_pattern: str
    """`*` is the default behaviour: it comes last and matches what is left."""
    target_origin_id: str
    raw: Config


class Trigger(NamedTuple):
    """A Lambda@Edge function, and when a behaviour runs it."""

    event: str
    arn: str
    includes_body: bool


def distribution_id(text: str) -> str:
    """For argparse: an empty one, or a path, would ask AWS for something else."""
    if re.fullmatch(r"[A-Z0-9]{8,}", text) is None:
        raise ArgumentTypeError(
            f"{text!r} is not a distribution's id, such as E2QWRUHAPOMQZL"
        )
    return text


def behaviours(config: Config) -> list[Behaviour]:
    """In the order in which CloudFront tries them."""
    default = config["DefaultCacheBehavior"]
    return [
        *(
            Behaviour(item["PathPattern"], item["TargetOriginId"], item)
            for item in items(config, "CacheBehaviors")
        ),
        Behaviour("*", default["TargetOriginId"], default),
    ]


def gated(config: Config, paths: Sequence[str]) -> list[Behaviour]:
    """Those that can serve a request that one of these route patterns gates."""
    found: list[Behaviour] = []
    earlier: list[str] = []
    for behaviour in behaviours(config):
        pattern = behaviour.path_pattern
        if any(serves(pattern, earlier, path) for path in paths):
            found.append(behaviour)
        earlier.append(behaviour.path_pattern)
    return found


def sharing_origin(config: Config, paths: Sequence[str]) -> list[Behaviour]:
    """The gated behaviours and all others that lead to the same server.

    Through the others a client can send headers that it made up, or a paid path in a
    spelling that the patterns do not know: `//api/joke`, `/API/joke`, `/api%2Fjoke`.
    """
    paid = {
        server
        for behaviour in gated(config, paths)
        for server in _servers(config, behaviour)
    }
    return [
        behaviour
        for behaviour in behaviours(config)
        if not paid.isdisjoint(_servers(config, behaviour))
    ]


def serves(pattern: str, earlier: Sequence[str], route: str) -> bool:
    """Whether some path of the route matches the pattern and none of the earlier."""
    return example(pattern, earlier, route) is not None


def triggers(raw: Config) -> list[Trigger]:
    return [
        Trigger(
            item["EventType"],
            item["LambdaFunctionARN"],
            bool(item.get("IncludeBody")),
        )
        for item in items(raw, "LambdaFunctionAssociations")
    ]


def takes_grpc(raw: Config) -> bool:
    """Around the gate: AWS does not support Lambda@Edge for gRPC requests, and a client
    only has to call its request application/grpc."""
    return bool((raw.get("GrpcConfig") or {}).get("Enabled"))


def without_origin_triggers(origin: Config, unknown: Sequence[str] = ()) -> str:
    """Why AWS runs no origin-response function for an origin; empty where it does.
    Nothing that comes from such an origin is ever settled. A boto3 that is too old
    to know these settings has their places in `unknown`."""
    place = f"Origins.{origin['Id']}"
    vpc, tls = "VpcOriginConfig", "OriginMtlsConfig"
    if origin.get(vpc) or f"{place}.{vpc}" in unknown:
        return "is in a VPC"
    custom = origin.get("CustomOriginConfig") or {}
    if custom.get(tls) or f"{place}.CustomOriginConfig.{tls}" in unknown:
        return "uses mutual TLS"
    return ""


def origins_of(config: Config, behaviour: Behaviour) -> list[Config]:
    """Of an origin group all members: CloudFront asks the second when the first
    fails."""
    ids = _origin_ids(config, behaviour.target_origin_id)
    return [each for each in items(config, "Origins") if each["Id"] in ids]


def kept_for(config: Config) -> dict[int, int]:
    """Seconds by status, of the errors that are kept or could be.

    CachingDisabled has neither the query nor a header in its key: the error that one
    client was answered with is shown to others, who do not get to the origin."""
    set_to = {
        int(each["ErrorCode"]): int(each.get("ErrorCachingMinTTL", _KEPT_FOR))
        for each in items(config, "CustomErrorResponses")
    }
    kept = dict.fromkeys(ALWAYS_KEPT, _KEPT_FOR) | set_to
    return dict(sorted(kept.items()))


def keep_none(config: Config) -> None:
    """On a copy. Pages stay: whether they should is their owner's to say."""
    if not any(kept_for(config).values()):
        return
    present = items(config, "CustomErrorResponses")
    named = {int(each["ErrorCode"]) for each in present}
    added = [
        {"ErrorCode": status, "ResponsePagePath": "", "ResponseCode": ""}
        for status in ALWAYS_KEPT
        if status not in named
    ]
    every = [{**each, "ErrorCachingMinTTL": 0} for each in (*present, *added)]
    config["CustomErrorResponses"] = {"Quantity": len(every), "Items": every}


def replaced(config: Config) -> dict[int, int]:
    """Statuses that show an error page, each with the status shown instead."""
    return {
        int(each["ErrorCode"]): int(each.get("ResponseCode") or each["ErrorCode"])
        for each in items(config, "CustomErrorResponses")
        if each.get("ResponsePagePath") or each.get("ResponseCode")
    }


def items(answer: dict[str, Any], key: str) -> list[Any]:
    """One of CloudFront's lists: {"Quantity": 1, "Items": [...]}, without Items when
    empty. The list is a new one, its items are the answer's."""
    return list((answer.get(key) or {}).get("Items") or [])


def _servers(config: Config, behaviour: Behaviour) -> Iterator[str]:
    """By domain name: two origins may have one server behind them."""
    domains = {
        origin["Id"]: str(origin.get("DomainName", origin["Id"])).lower()
        for origin in items(config, "Origins")
    }
    for origin_id in _origin_ids(config, behaviour.target_origin_id):
        yield domains.get(origin_id, origin_id)


def _origin_ids(config: Config, target: str) -> list[str]:
    for group in items(config, "OriginGroups"):
        if group["Id"] == target:
            return [member["OriginId"] for member in group["Members"]["Items"]]
    return [target]
