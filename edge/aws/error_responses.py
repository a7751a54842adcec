"""What CloudFront makes of an error of the origin, whatever the behaviour says."""

from typing import Any

from .items import items

# AWS, "How CloudFront processes HTTP 4xx and 5xx status codes from your origin":
# these are kept whatever the origin says, and unless another time is set, for this.
ALWAYS_KEPT = (404, 414, 500, 501, 502, 503, 504)
_DEFAULT = 10  # seconds

Config = dict[str, Any]


def kept_for(config: Config) -> dict[int, int]:
    """Seconds by status, of those that are kept or could be.

    CachingDisabled has neither the query nor a header in its key: the error that one
    client was answered with is shown to others, who do not reach the origin."""
    set_to = {
        int(each["ErrorCode"]): int(each.get("ErrorCachingMinTTL", _DEFAULT))
        for each in items(config, "CustomErrorResponses")
    }
    kept = dict.fromkeys(ALWAYS_KEPT, _DEFAULT) | set_to
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
    """The statuses of which CloudFront shows a page of its own, and as which."""
    return {
        int(each["ErrorCode"]): int(each.get("ResponseCode") or each["ErrorCode"])
        for each in items(config, "CustomErrorResponses")
        if each.get("ResponsePagePath") or each.get("ResponseCode")
    }
