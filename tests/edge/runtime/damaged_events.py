"""CloudFront's events with parts missing, of the wrong type, too large or hostile.

Everything is JSON: Lambda makes the event out of it, and cannot make anything else.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

from tests.edge.examples import PROOF
from tests.edge.runtime.hostile_paths import hostile
from tests.support.cloudfront_events import (
    Event,
    origin_response,
    request_of,
    viewer_request,
)

GATED = ("/api/joke", "/premium/x", "/premium")
FREE = ("/health", "/", "/api/jokes", "/caf%C3%A9", "/a/../b", "/favicon.ico")
METHODS = ("HEAD", "POST", "PUT", "OPTIONS", "get", "TRACE", "PROPFIND", "")
STATUSES = ("200", "200", "201", "204", "302", "303", "304", "307", "402", "503", "99")

JUNK: tuple[Any, ...] = (
    *(None, None, None, True, False, 0, -1, 1e308, 200, 2**70, "", "x", "\x00", " "),
    *("\ud800", "é", "\u2028", "viewer-request", "origin-response", "viewer-response"),
    *([], {}, [None], [[]], [{}], {"": None}, {"value": None}, [{"value": 5}]),
    *([{"key": "X"}], [{"value": "a"}, {"value": "b"}], {"value": "200"}, ["200"]),
)
NAMES = (
    *("x-settlement-intent-id", "X-SETTLEMENT-INTENT-ID", "x-settlement-resource-id"),
    *("signature", "Signature-Input", "x402-payment", "X402-PAYMENT", "cookie", "via"),
    *("authorization", "host", "user-agent", "accept", "x-amz-cf-id", "", "é", "a b"),
)
VALUES = (
    *("intent-1", "", " ", "\x00", "é", "☃", "\ud800", "x" * 300, "a, b"),
    *("a\r\nx-settlement-intent-id: forged", 'settlement=();keyid="2026-02"'),
    "settlement=:AAAA:",
)


def damaged(random: Random, forwarded: Sequence[str]) -> Any:
    """An event with none to four faults; now and then something else altogether.

    `forwarded` are requests that the gate let through, as JSON: some come back with a
    response, as CloudFront does it. Nothing else has a signature of the gate's own."""
    if random.random() < 0.02:
        return deepcopy(random.choice(JUNK))
    if forwarded and random.random() < 0.25:
        event = _answered(random, forwarded)
    else:
        event = _asked(random)
        _dress(random, request_of(event))
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 4))):
        _damage(random, event)
    return event


def _answered(random: Random, forwarded: Sequence[str]) -> Event:
    event = origin_response(status=random.choice(STATUSES))
    event["Records"][0]["cf"]["request"] = json.loads(random.choice(forwarded))
    return event


def _asked(random: Random) -> Event:
    path = random.choice(GATED if random.random() < 0.6 else FREE)
    if random.random() < 0.3:
        path = hostile(random, path)
    method = random.choice(METHODS) if random.random() < 0.4 else "GET"
    headers = {"x402-payment": PROOF, "authorization": f"Bearer {PROOF}"}
    if random.random() < 0.75:
        return viewer_request(path, method, headers)
    headers["x-settlement-intent-id"] = "intent-1"
    return origin_response(path, random.choice(STATUSES), method, headers)


def _dress(random: Random, request: Event) -> None:
    """Headers as a client may send them; the documented event has but a few."""
    for _ in range(random.choice((0, 1, 3))):
        name = random.choice(NAMES)
        lines = [{"key": name, "value": random.choice(VALUES)}]
        if name not in ("x402-payment", "authorization"):
            request["headers"][name] = lines + lines[: random.choice((0, 0, 1))]
    if random.random() < 0.05:
        request["querystring"] = random.choice(VALUES)


def _damage(random: Random, event: Event) -> None:
    if not event:
        return
    parent, key = _place(random, _inside(event) if random.random() < 0.9 else event)
    match random.randrange(24):
        case 0:
            parent[key] = _large(random)
        case 1 | 2:
            parent[key] = [parent[key]]
        case 3 | 4:
            parent[key] = {"value": parent[key]}
        case 5:
            parent[key] = json.dumps(parent[key])
        case number if number < 12:
            del parent[key]
        case _:
            parent[key] = deepcopy(random.choice(JUNK))


def _inside(event: Any) -> Any:
    """Past the wrapping, which is soon destroyed, and then nothing else is tried."""
    match event:
        case {"Records": [{"cf": dict(cf)}]} if cf:
            return cf
    return event


def _large(random: Random) -> Any:
    """What is far over CloudFront's own limits."""
    match random.randrange(4):
        case 0:
            return "/api/joke" * 4_000
        case 1:
            return {f"x-{n}": [{"key": f"X-{n}", "value": "v"}] for n in range(300)}
        case 2:
            return _nested(400)
        case _:
            return ["x"] * 5_000


def _nested(depth: int) -> Any:
    value: Any = None
    for level in range(depth):
        value = [value] if level % 2 else {"value": value}
    return value


def _place(random: Random, part: Any) -> tuple[Any, Any]:
    """Somewhere in an event where something else could be: most often deep inside."""
    while True:
        key = random.choice(list(part) if isinstance(part, dict) else range(len(part)))
        inner = part[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.12:
            return part, key
        part = inner
