"""A facilitator that stalls, and a Lambda that is killed after five seconds.

All of it is real: the bundle, the sockets, CloudFront's emulator and the time. So the
scenarios are played at once.
"""

import json
import ssl
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import httpx
import pytest

from tests.edge.commands import build
from tests.edge.runtime.stalling_facilitator import (
    Stall,
    StallingFacilitator,
    dribbling,
    half,
    mute,
    silent,
    unaccepted,
)
from tests.support.lambdas import Counted, emulated

CERTIFICATE = Path(__file__).with_name("loopback.pem")
KILLED_AFTER = 5.0
# The longest call is 2.5 s. The rest is for a machine that has other things to do.
ANSWERED_WITHIN = 4.0


class Scenario(NamedTuple):
    stall: Stall
    at: str
    lambda_timeout: float = KILLED_AFTER
    tls: bool = False

    @property
    def name(self) -> str:
        kind = "TLS handshake" if self.tls else self.stall.__name__
        return f"{kind} at {self.at}, {self.lambda_timeout} s"


STALLS = (silent, half, dribbling, unaccepted)
WHOLE_TIME = [
    *(Scenario(*each) for each in product(STALLS, ("verify", "settle"))),
    *(Scenario(mute, at, tls=True) for at in ("verify", "settle")),
]
# 0.7 s are less than the reserve: there is no time to ask.
LITTLE_TIME = [
    Scenario(silent, at, seconds)
    for at, seconds in (("verify", 1.2), ("settle", 1.2), ("verify", 0.7))
]
SCENARIOS = [*WHOLE_TIME, *LITTLE_TIME]


class Outcome(NamedTuple):
    response: httpx.Response
    seconds: float
    log: list[str]
    origin_asked: int

    @property
    def last_line(self) -> Any:
        return json.loads(self.log[-1])


def play(folder: Path, scenario: Scenario) -> Outcome:
    folder.mkdir()
    origin, tls = Counted(), None
    if scenario.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE)
    with (
        StallingFacilitator(scenario.stall, scenario.at, tls) as facilitator,
        emulated(
            folder,
            bundle_for(facilitator.url, folder),
            origin,
            lambda_timeout=scenario.lambda_timeout,
            lambda_handler="trusting.handler",
        ) as edge,
    ):
        edge.client.get("/health")  # starts the Lambda, which has its own time for it
        started = monotonic()
        response = edge.client.get(
            "/api/joke", headers={"X402-Payment": "proof"}, timeout=10
        )
        seconds = monotonic() - started
        return Outcome(response, seconds, edge.log(), origin.count - 1)


def bundle_for(url: str, folder: Path) -> Path:
    """The built zip, and beside it a module that trusts the test's own certificate."""
    bundle = folder / "edge.zip"
    environment = {"NEXFLOW_FACILITATOR_URL": url, "NEXFLOW_API_KEY": "nf_test_key"}
    assert build(bundle, environment) == 0
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("trusting.py", TRUSTING)
    return bundle


TRUSTING = f"""
import os
os.environ["SSL_CERT_FILE"] = {str(CERTIFICATE)!r}
from handler import handler
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Scenario, Outcome]:
    folder = tmp_path_factory.mktemp("scenarios")
    folders = [folder / str(number) for number in range(len(SCENARIOS))]
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        return dict(zip(SCENARIOS, pool.map(play, folders, SCENARIOS), strict=True))


def at(call: str, scenarios: list[Scenario]) -> pytest.MarkDecorator:
    chosen = [scenario for scenario in scenarios if scenario.at == call]
    return pytest.mark.parametrize("scenario", chosen, ids=lambda each: each.name)


@at("verify", SCENARIOS)
def test_verify_fails_closed_before_lambda_is_killed(
    outcomes: dict[Scenario, Outcome], scenario: Scenario
) -> None:
    outcome = outcomes[scenario]
    assert outcome.response.status_code == 500
    assert outcome.response.json()["error"] == "internal_error"
    assert (
        outcome.response.headers["x-cache"] == "LambdaGeneratedResponse from cloudfront"
    )
    assert outcome.origin_asked == 0
    assert outcome.last_line["eventType"] == "verify"
    assert outcome.last_line["error"] == "the facilitator did not answer in time"


@at("settle", SCENARIOS)
def test_settle_fails_open_before_lambda_is_killed(
    outcomes: dict[Scenario, Outcome], scenario: Scenario
) -> None:
    outcome = outcomes[scenario]
    assert outcome.response.status_code == 200
    assert outcome.response.text == "paid content 2"
    assert outcome.response.headers["x-cache"] == "Miss from cloudfront"
    assert outcome.origin_asked == 1
    assert outcome.last_line["eventType"] == "settle"
    assert outcome.last_line["settled"] is False
    assert outcome.last_line["error"] == "the facilitator did not answer in time"


@pytest.mark.parametrize("scenario", WHOLE_TIME, ids=lambda each: each.name)
def test_a_stall_is_waited_for_and_not_for_too_long(
    outcomes: dict[Scenario, Outcome], scenario: Scenario
) -> None:
    outcome = outcomes[scenario]
    assert 2_400 < outcome.last_line["latencyMs"] < ANSWERED_WITHIN * 1000
    assert outcome.seconds < ANSWERED_WITHIN
    assert "timed out" not in "".join(outcome.log)


@pytest.mark.parametrize("scenario", LITTLE_TIME, ids=lambda each: each.name)
def test_with_little_time_left_there_is_less_waiting(
    outcomes: dict[Scenario, Outcome], scenario: Scenario
) -> None:
    """A Lambda that is set to less than 5 s, or one that has used some of it up."""
    outcome = outcomes[scenario]
    assert outcome.last_line["latencyMs"] < scenario.lambda_timeout * 1000
    assert "timed out" not in "".join(outcome.log)
