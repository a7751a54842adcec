"""Which behaviours of a distribution the gate has to stand in front of.

Pure: a CloudFront `DistributionConfig` as botocore returns it, and route patterns.

CloudFront takes the first behaviour whose pattern matches the normalised path.
So a behaviour can serve a gated request when some path is in the language of a route,
in that of its pattern, and in none of the patterns before it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .items import items
from .path_patterns import example

Config = dict[str, Any]


class Behaviour(NamedTuple):
    path_pattern: str
    """`*` is the default behaviour: it comes last and matches what is left."""
    target_origin_id: str
    raw: Config


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


def reaching_origin(config: Config, paths: Sequence[str]) -> list[Behaviour]:
    """The gated ones and those that lead to the same server.

    Through them a client can send headers that it made up, or a paid path in a
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


def takes_grpc(raw: Config) -> bool:
    """Around the gate: AWS does not support Lambda@Edge for gRPC requests, and takes
    whatever calls itself application/grpc for one."""
    return bool((raw.get("GrpcConfig") or {}).get("Enabled"))


def serves(pattern: str, earlier: Sequence[str], route: str) -> bool:
    """Whether some path of the route matches the pattern and none of the earlier."""
    return example(pattern, earlier, route) is not None


def _servers(config: Config, behaviour: Behaviour) -> Iterator[str]:
    """By domain name: two origins may have one server behind them."""
    domains = {
        origin["Id"]: str(origin.get("DomainName", origin["Id"])).lower()
        for origin in items(config, "Origins")
    }
    for origin_id in _origin_ids(config, behaviour.target_origin_id):
        yield domains.get(origin_id, origin_id)


def _origin_ids(config: Config, target: str) -> list[str]:
    """Of a group all members: CloudFront asks the second when the first fails."""
    for group in items(config, "OriginGroups"):
        if group["Id"] == target:
            return [member["OriginId"] for member in group["Members"]["Items"]]
    return [target]
