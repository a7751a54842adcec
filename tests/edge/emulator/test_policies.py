"""What the origin request policy lets through: the function's headers are among it."""

from pathlib import Path
from typing import Any

import pytest

from edge.aws.forwarding import Forwarded
from edge.emulator.distribution import (
    ALL_VIEWER,
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CORS_CUSTOM_ORIGIN,
    NO_ORIGIN_REQUEST_POLICY,
    USER_AGENT_REFERER_HEADERS,
    Behaviour,
)
from tests.support.lambdas import Event, emulated, log, reflecting


def add_intent(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    if "response" in cf:
        log(" ".join(cf["request"]["headers"]))
        return cf["response"]
    cf["request"]["headers"]["x-settlement-intent-id"] = [{"value": "si_1"}]
    return cf["request"]


def test_without_a_policy_the_intent_reaches_neither_origin_nor_origin_response(
    tmp_path: Path,
) -> None:
    behaviour = Behaviour(origin_request_policy=NO_ORIGIN_REQUEST_POLICY)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        headers = {"Cookie": "a=1", "User-Agent": "curl", "Content-Type": "text/plain"}
        seen = edge.client.post("/?a=1", headers=headers, content=b"x").json()
        assert "x-settlement-intent-id" not in edge.log()[0]
    received = dict(seen["headers"])
    assert sorted(received) == [
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "via",
        "x-amz-cf-id",
        "x-forwarded-for",
    ]
    assert received["user-agent"] == "Amazon CloudFront"
    assert (seen["query"], seen["body"]) == ("", "x")


@pytest.mark.parametrize(
    ("policy", "host"),
    [
        (ALL_VIEWER, "shop.example"),
        (ALL_VIEWER_EXCEPT_HOST_HEADER, "127.0.0.1"),
        (NO_ORIGIN_REQUEST_POLICY, "127.0.0.1"),
    ],
)
def test_the_policy_decides_which_host_the_origin_sees(
    tmp_path: Path, policy: Forwarded, host: str
) -> None:
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        seen = edge.client.get("/", headers={"Host": "shop.example"}).json()
    assert dict(seen["headers"])["host"].partition(":")[0] == host


@pytest.mark.parametrize(
    "policy",
    [ALL_VIEWER, ALL_VIEWER_EXCEPT_HOST_HEADER],
)
def test_under_a_policy_for_all_headers_the_intent_arrives(
    tmp_path: Path, policy: Forwarded
) -> None:
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        seen = edge.client.get("/?a=1", headers={"Cookie": "a=1"}).json()
        assert "x-settlement-intent-id" in edge.log()[0]
    received = dict(seen["headers"])
    assert (received["x-settlement-intent-id"], received["cookie"]) == ("si_1", "a=1")
    assert seen["query"] == "a=1"


@pytest.mark.parametrize(
    ("policy", "forwarded"),
    [
        (CORS_CUSTOM_ORIGIN, {"origin"}),
        (USER_AGENT_REFERER_HEADERS, {"user-agent", "referer"}),
        (
            Forwarded(named=frozenset({"origin"}), cookies="all"),
            {"origin", "cookie"},
        ),
        (
            Forwarded(every_header=True, except_for=frozenset({"origin"})),
            {"user-agent", "referer", "x-settlement-intent-id"},
        ),
    ],
)
def test_a_policy_that_does_not_name_the_intent_keeps_it_back(
    tmp_path: Path, policy: Forwarded, forwarded: set[str]
) -> None:
    sent = {"Origin": "o", "User-Agent": "u", "Referer": "r", "Cookie": "a=1"}
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        seen = edge.client.get("/?a=1", headers=sent).json()
    received = dict(seen["headers"])
    asked_about = {*map(str.lower, sent), "x-settlement-intent-id"}
    arrived = {name for name in asked_about if name in received}
    if received["user-agent"] == "Amazon CloudFront":
        arrived -= {"user-agent"}
    assert arrived == forwarded
    assert seen["query"] == ""


def test_a_policy_may_name_the_intent_and_still_lose_the_query(tmp_path: Path) -> None:
    policy = Forwarded(named=frozenset({"x-settlement-intent-id"}))
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, add_intent, reflecting, behaviour) as edge:
        seen = edge.client.get("/?topic=tea").json()
    assert dict(seen["headers"])["x-settlement-intent-id"] == "si_1"
    assert seen["query"] == ""
