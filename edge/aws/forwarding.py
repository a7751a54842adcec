"""The part of a viewer's request that reaches the origin, and the policy for it.

The gate's headers are part of the viewer's request once it has added them.
Without an origin request policy they stop at CloudFront, and nothing is ever settled.
The signature covers the query, so the origin has to see all of that as well.
"""

from dataclasses import dataclass
from typing import Any

from ..runtime.intent import CONTRACT_HEADERS, X402_HEADERS
from ..runtime.x402.facilitator import PAYMENT_HEADER
from .managed_policies import (
    ALL_VIEWER,
    ALL_VIEWER_AND_CLOUDFRONT_HEADERS_2022_06,
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
)

# Before a standard facilitator. origin-response settles the payment that it finds in
# the forwarded request.
X402_CONTRACT = CONTRACT_HEADERS | X402_HEADERS | {PAYMENT_HEADER}


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Headers are in lower case. CloudFront's own are there only when named."""

    every_header: bool = False
    except_for: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    whole_query: bool = False
    cookies: str = "none"
    """none, some or all"""

    def has(self, header: str) -> bool:
        if header in self.named:
            return True
        if header.startswith("cloudfront-"):
            return False
        return self.every_header and header not in self.except_for


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    forwarded: Forwarded


NOTHING = Forwarded()
_ALL = Forwarded(every_header=True, whole_query=True, cookies="all")

# Those that we set or often meet. The names are AWS's.
MANAGED = {
    CACHING_DISABLED: Policy("Managed-CachingDisabled", NOTHING),
    ALL_VIEWER: Policy("Managed-AllViewer", _ALL),
    ALL_VIEWER_AND_CLOUDFRONT_HEADERS_2022_06: Policy(
        "Managed-AllViewerAndCloudFrontHeaders-2022-06", _ALL
    ),
    ALL_VIEWER_EXCEPT_HOST_HEADER: Policy(
        "Managed-AllViewerExceptHostHeader",
        Forwarded(
            every_header=True,
            except_for=frozenset({"host"}),
            whole_query=True,
            cookies="all",
        ),
    ),
}


def suits(policy: Forwarded, contract: frozenset[str], cached_on: Forwarded) -> bool:
    """Whether an origin request policy can stay when caching is switched off,
    and with it what the origin was sent because the cache told copies apart by it."""
    return (
        all(policy.has(header) for header in contract | cached_on.named)
        and policy.whole_query
        and (policy.cookies == "all" or cached_on.cookies == "none")
    )


def substitute(*before: Forwarded) -> str:
    """The managed policy that sends the origin what it was sent, and the contract.

    An origin that was told the viewer's host still is: it may choose the site by it.
    Others must not be, because their own certificate or bucket has another name.
    """
    if any(each.has("host") for each in before):
        return ALL_VIEWER
    return ALL_VIEWER_EXCEPT_HOST_HEADER


def lost(policy: str, *before: Forwarded) -> list[str]:
    """The headers that the origin was sent by name and no longer will be."""
    after = MANAGED[policy].forwarded
    named = {header for each in before for header in each.named}
    return sorted(header for header in named if not after.has(header))


def of_request_policy(config: dict[str, Any]) -> Forwarded:
    """From an OriginRequestPolicyConfig."""
    behaviour = config["HeadersConfig"]["HeaderBehavior"]
    listed = _headers(config["HeadersConfig"].get("Headers"))
    return Forwarded(
        every_header=behaviour.startswith("all"),
        except_for=listed if behaviour == "allExcept" else frozenset(),
        named=frozenset() if behaviour == "allExcept" else listed,
        whole_query=config["QueryStringsConfig"]["QueryStringBehavior"] == "all",
        cookies=_amount(config["CookiesConfig"]["CookieBehavior"]),
    )


def of_cache_policy(config: dict[str, Any]) -> Forwarded:
    """From a CachePolicyConfig: the parts of the cache key are sent to the origin."""
    key = config.get("ParametersInCacheKeyAndForwardedToOrigin")
    if key is None:
        return NOTHING
    return Forwarded(
        named=_headers(key["HeadersConfig"].get("Headers")),
        whole_query=key["QueryStringsConfig"]["QueryStringBehavior"] == "all",
        cookies=_amount(key["CookiesConfig"]["CookieBehavior"]),
    )


def of_legacy_settings(values: dict[str, Any] | None) -> Forwarded:
    """From the ForwardedValues that behaviours had before there were policies."""
    if values is None:
        return NOTHING
    headers = _headers(values.get("Headers"))
    return Forwarded(
        every_header="*" in headers,
        named=headers - {"*"},
        whole_query=values["QueryString"],
        cookies=_amount(values["Cookies"]["Forward"]),
    )


def _headers(listed: dict[str, Any] | None) -> frozenset[str]:
    return frozenset(name.lower() for name in (listed or {}).get("Items") or ())


def _amount(behaviour: str) -> str:
    return behaviour if behaviour in ("none", "all") else "some"
