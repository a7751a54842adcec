"""What a function is told, and what the origin gets."""

import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.lambdas import Event, emulated, log, pass_through, reflecting


def print_event(event: Event, context: Any) -> Any:

    log(json.dumps(event))
    cf = event["Records"][0]["cf"]
    return cf.get("response", cf["request"])


def test_a_viewer_request_event_is_the_documented_one(tmp_path: Path) -> None:
    with emulated(tmp_path, print_event, reflecting) as edge:
        headers = [("Accept", "*/*"), ("X-Twice", "one"), ("X-Twice", "two")]
        response = edge.client.get("/api/joke?a=1&b=2", headers=headers)
        event = json.loads(edge.log()[0])
        host = edge.url.removeprefix("http://")
    assert event == {
        "Records": [
            {
                "cf": {
                    "config": {
                        "distributionDomainName": "d111111abcdef8.cloudfront.net",
                        "distributionId": "EDFDVBD6EXAMPLE",
                        "eventType": "viewer-request",
                        "requestId": response.headers["x-amz-cf-id"],
                    },
                    "request": {
                        "clientIp": "127.0.0.1",
                        "headers": {
                            "host": [{"key": "host", "value": host}],
                            "accept": [{"key": "accept", "value": "*/*"}],
                            "x-twice": [
                                {"key": "x-twice", "value": "one"},
                                {"key": "x-twice", "value": "two"},
                            ],
                        },
                        "method": "GET",
                        "querystring": "a=1&b=2",
                        "uri": "/api/joke",
                    },
                }
            }
        ]
    }


def test_an_origin_response_event_has_the_response_and_the_origins_request(
    tmp_path: Path,
) -> None:
    async def teapot(_: Request) -> Response:
        return PlainTextResponse("short", 418, {"X-Kind": "teapot"})

    origin = Starlette(routes=[Route("/", teapot, methods=["POST"])])
    with emulated(tmp_path, print_event, origin) as edge:
        edge.client.post("/", content=b"tea", headers={"Upgrade": "never"})
        event = json.loads(edge.log()[1])["Records"][0]["cf"]
    assert event["config"]["eventType"] == "origin-response"
    assert event["response"]["status"] == "418"
    assert event["response"]["statusDescription"] == "I'm a Teapot"
    assert event["response"]["headers"]["x-kind"] == [
        {"key": "x-kind", "value": "teapot"}
    ]
    assert "body" not in event["response"]
    sent = event["request"]
    assert sent["headers"]["x-forwarded-for"][0]["value"] == "127.0.0.1"
    assert sent["headers"]["via"][0]["value"].endswith(".cloudfront.net (CloudFront)")
    assert not {"upgrade", "connection", "x-amz-cf-id"} & sent["headers"].keys()
    assert sent["origin"]["custom"]["domainName"] == "127.0.0.1"


def test_the_raw_path_reaches_the_origin_byte_for_byte(tmp_path: Path) -> None:
    target = "/a/../b//c%2fd%2E;p=1\\x|{}?q=%zz&r=a%20b?&x"
    paths: list[tuple[bytes, bytes]] = []

    async def origin(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            paths.append((scope["raw_path"], scope["query_string"]))
            await Response()(scope, receive, send)

    with emulated(tmp_path, print_event, origin) as edge:
        assert edge.raw("GET", target).status == 200
        seen = json.loads(edge.log()[0])["Records"][0]["cf"]["request"]
    path, _, query = target.partition("?")
    assert paths == [(path.encode(), query.encode())]
    assert (seen["uri"], seen["querystring"]) == (path, query)


def test_the_origin_gets_what_cloudfront_adds_and_nothing_a_client_would(
    tmp_path: Path,
) -> None:
    with emulated(tmp_path, pass_through, reflecting) as edge:
        headers = {"X-Forwarded-For": "192.0.2.4", "X-Forwarded-Proto": "ftp"}
        response = edge.client.get("/", headers=headers)
    seen = dict(response.json()["headers"])
    assert seen.pop("via").endswith(".cloudfront.net (CloudFront)")
    assert seen.pop("x-amz-cf-id") == response.headers["x-amz-cf-id"]
    assert seen == {
        "host": edge.url.removeprefix("http://"),
        "x-forwarded-for": "192.0.2.4,127.0.0.1",
        "connection": "Keep-Alive",
    }


def test_a_header_hidden_from_functions_may_still_reach_the_origin(
    tmp_path: Path,
) -> None:
    with emulated(tmp_path, print_event, reflecting) as edge:
        headers = {"X-Amzn-Trace-Id": "Root=1", "X-Edge-Trace": "1"}
        seen = edge.client.get("/", headers=headers).json()
        assert "trace" not in edge.log()[0]
    names = dict(seen["headers"]).keys()
    assert {name for name in names if "trace" in name} == {"x-amzn-trace-id"}


def test_what_viewer_request_changes_goes_to_the_origin(tmp_path: Path) -> None:
    def rewrite(event: Event, context: Any) -> Any:
        cf = event["Records"][0]["cf"]
        if "response" in cf:
            return cf["response"]
        request = cf["request"]
        request["uri"] = "/moved"
        request["querystring"] = "q=1"
        del request["headers"]["cookie"]
        request["headers"]["x-settlement-intent-id"] = [{"value": "si_1"}]
        return request

    with emulated(tmp_path, rewrite, reflecting) as edge:
        response = edge.client.post("/here", content=b"body", headers={"Cookie": "a=1"})
    seen = response.json()
    headers = dict(seen["headers"])
    assert (seen["path"], seen["query"], seen["body"]) == ("/moved", "q=1", "body")
    assert headers["x-settlement-intent-id"] == "si_1"
    assert headers["content-length"] == "4"
    assert "cookie" not in headers
