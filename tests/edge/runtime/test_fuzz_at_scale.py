"""20,000 damaged events, and the handler from the built zip.

No event makes it raise, reveals a secret, or gets an answer CloudFront would not take.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from random import Random
from typing import Any, NamedTuple

import pytest

from edge.emulator.messages import Request, Response, values
from edge.emulator.restrictions import NAME, is_disallowed
from edge.emulator.results import REQUEST_LIMIT, viewer_request_result
from tests.edge.commands import SIGNING, build
from tests.edge.examples import KEY, PLENTY, PROOF, Lambda
from tests.edge.runtime.damaged_events import damaged
from tests.edge.runtime.from_the_zip import handler_in
from tests.edge.runtime.hostile_paths import seeded
from tests.support.scripted_facilitator import (
    SETTLED,
    VALID,
    ScriptedFacilitator,
    Step,
    answer,
    hang_up,
    raw,
)

pytestmark = pytest.mark.slow

EVENTS, SEED = 20_000, 20260207

FIELDS = {
    "verify": {
        *("ts", "eventType", "path", "resourceId", "settlementIntentId", "valid"),
        *("latencyMs", "requestId", "hasPaymentHeader"),
    },
    "settle": {
        *("ts", "eventType", "path", "resourceId", "settlementIntentId"),
        *("originStatus", "settled", "settledAt", "latencyMs", "requestId"),
    },
    "settle_skipped": {
        *("ts", "eventType", "path", "settlementIntentId", "reason"),
        *("originStatus", "requestId"),
    },
}
ROUTES = """
[[route]]
path = "/api/joke"
network = "eip155:8453"
resource_id = "joke"

[[route]]
path = "/premium/*"
network = "eip155:84532"
resource_id = "premium"
"""
CONTRACT = {
    *("x-settlement-intent-id", "x-settlement-resource-id", "x-settlement-network"),
    *("signature-input", "signature"),
}
REQUIREMENT = {"scheme": "exact", "amountDisplay": "0.01", "x": "é" * 50}
UNPAID: list[Step] = [
    answer(200, {"valid": False, "reason": "expired", "requirement": REQUIREMENT}),
    answer(200, {"valid": False, "reason": 5, "requirement": {"x": "y" * 60_000}}),
    raw(200, b'{"valid": false, "requirement": {"x": 1e999}, "reason": "\\ud800"}'),
]
BROKEN: list[Step] = [
    hang_up(),
    raw(200, b"<html>"),
    raw(200, b"[" * 30_000),
    answer(200, []),
    answer(200, {"valid": True, "settlementIntentId": "a b"}),
    answer(200, VALID | {"expiresAt": "soon"}),
    answer(500, VALID),
    answer(404, {"ok": False, "error": "intent_not_found"}),
]


class Moody(ScriptedFacilitator):
    """Answers well half of the time, and in each of the other ways now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._random = seeded(SEED)

    def next_step(self, path: str) -> Step:
        verify = path.endswith("/verify")
        good = answer(200, VALID if verify else SETTLED)
        mood = self._random.random()
        if mood < 0.5:
            return good
        return self._random.choice(UNPAID if verify and mood < 0.7 else BROKEN)


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("bundle")
    routes = folder / "routes.toml"
    routes.write_text(ROUTES)
    with Moody() as facilitator:
        environment = {
            "NEXFLOW_FACILITATOR_URL": facilitator.url,
            "NEXFLOW_API_KEY": KEY,
            **SIGNING,
        }
        assert build(folder / "edge.zip", environment, routes) == 0
        handler = handler_in(folder / "edge.zip")
        yield handler
        handler._facilitator.close()


class Trial(NamedTuple):
    """One event, and what came of it."""

    event: Any
    returned: Any
    printed: str

    def part(self, *keys: str) -> Any:
        try:
            found = self.event["Records"][0]["cf"]
            for key in keys:
                found = found[key]
        except (LookupError, TypeError):
            return None
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.printed.splitlines()]


def tried(handler: Any, random: Random, forwarded: list[str]) -> Trial:
    event = damaged(random, forwarded)
    before = json.dumps(event)
    context = random.choice((*[PLENTY] * 8, Lambda(0), None))
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        returned = handler(event, context)
    pristine = json.loads(before)
    assert event == pristine, "the event is not the function's to change"
    return Trial(pristine, returned, printed.getvalue())


def test_no_event_is_too_much(handler: Any) -> None:
    random = seeded(SEED)
    forwarded: list[str] = []
    found: Counter[str] = Counter()
    for _ in range(EVENTS):
        trial = tried(handler, random, forwarded)
        outcome = judged(trial)
        if outcome == "forwarded with an intent" and len(forwarded) < 500:
            forwarded.append(json.dumps(trial.returned))
        found[outcome] += 1
        found["allowed by CloudFront"] += is_allowed(trial)
        found["settled"] += any(line.get("settled") is True for line in trial.lines)
        found.update(line["eventType"] for line in trial.lines)
        look_for_secrets(trial)
        for line in trial.lines:
            look_at_fields(line)
    # Else the events are too damaged, and little was tried.
    least = {
        *("verify", "settle", "settled", "settle_skipped", "forwarded with an intent"),
        *("forwarded as it came", "generated 400", "generated 402", "generated 500"),
        *("allowed by CloudFront", "the response", "neither trigger"),
    }
    assert {name for name in least if found[name] < EVENTS / 50} == set(), found


def judged(trial: Trial) -> str:
    """What the handler did; an assertion fails where that is none of its business."""
    match trial.part("config", "eventType"):
        case "viewer-request":
            return judged_request(trial)
        case "origin-response" if trial.part("response") is not None:
            assert trial.returned == trial.part("response")
            return "the response"
    return "neither trigger"


def judged_request(trial: Trial) -> str:
    if "status" in trial.returned and trial.returned is not trial.part("request"):
        return judged_generated(trial.returned)
    request = trial.part("request")
    returned, headers = dict(trial.returned), dict(request["headers"])
    added = CONTRACT & returned["headers"].keys()
    for name in [name for name in headers if name.lower() in CONTRACT]:
        del headers[name]
    kept = {k: v for k, v in returned.pop("headers").items() if k not in CONTRACT}
    assert kept == headers
    assert returned == {k: v for k, v in request.items() if k != "headers"}
    assert not added or added == CONTRACT
    return "forwarded with an intent" if added else "forwarded as it came"


def is_allowed(trial: Trial) -> bool:
    """Whether the request that is forwarded keeps all of CloudFront's rules. It is not
    known where the event is none of CloudFront's."""
    sent = as_sent(trial.part("request"))
    trigger = trial.part("config", "eventType")
    if sent is None or trigger != "viewer-request" or "uri" not in trial.returned:
        return False
    return isinstance(viewer_request_result(sent, trial.returned), Request)


def judged_generated(generated: Any) -> str:
    response = viewer_request_result(ANY_REQUEST, generated)
    assert isinstance(response, Response)
    assert response.status in (400, 402, 500)
    assert json.loads(response.body)
    assert PROOF not in json.dumps(generated)
    assert values(response.headers, b"cache-control") == [b"no-store"]
    return f"generated {response.status}"


ANY_REQUEST = Request("GET", b"/", b"", (), b"", "192.0.2.1")


def as_sent(request: Any) -> Request | None:
    """The request behind an event; None where CloudFront would not have made it."""
    match request:
        case {
            "clientIp": str(client),
            "headers": dict(headers),
            "method": str(method),
            "querystring": str(query),
            "uri": str(path),
        } if (client + method + path + query).isprintable() and all(
            is_a_header(*header) for header in headers.items()
        ):
            lines = [line for each in headers.values() for line in each]
            pairs = tuple(
                (each["key"].encode(), each["value"].encode()) for each in lines
            )
            sent = Request(method, path.encode(), query.encode(), pairs, b"", client)
            return sent if sent.size <= REQUEST_LIMIT else None
    return None


def is_a_header(name: str, lines: Any) -> bool:
    """As CloudFront writes one: it never shows a function what it would not take."""
    if not NAME.fullmatch(name) or is_disallowed(name) or not isinstance(lines, list):
        return False
    return all(
        isinstance(line, dict)
        and line.keys() == {"key", "value"}
        and all(isinstance(each, str) and each.isprintable() for each in line.values())
        and line["key"].lower() == name
        and line["value"] == line["value"].strip()
        for line in lines
    )


def look_for_secrets(trial: Trial) -> None:
    """The proof goes along to the origin, in the request it came with. Nothing of ours
    goes anywhere, and none of it into the log."""
    for secret in (KEY, SIGNING["EDGE_SIGNING_SECRET"]):
        assert secret not in trial.printed + json.dumps(trial.returned)
    assert PROOF not in trial.printed


def look_at_fields(line: dict[str, Any]) -> None:
    fields = FIELDS[line["eventType"]]
    failed = not line.get("valid", True) or not line.get("settled", True)
    assert set(line) - {"error"} == fields
    assert "error" not in line or failed
