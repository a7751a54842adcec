"""The command line, as a person and as a pipeline call it."""

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.aws.lambda_at_edge import EVENTS
from edge.aws.session import Session
from edge.build.environment import read_environment
from edge.build.routes_file import parse_routes
from edge.build.zip import build, write
from edge.check import command
from edge.check.checklist import CHECKS
from edge.check.snapshot import save
from tests.edge.check import good
from tests.edge.check.fake_aws import Denied, account

Captured = pytest.CaptureFixture[str]
Run = Callable[..., int]

KEY, SIGNING = "nf_live_SECRETKEY", "0123456789-SIGNINGSECRET-abcdefghij"
ROUTES = 'allowed_origins = "*"\n' + "".join(
    f'[[route]]\npath = "{route.path}"\nnetwork = "{route.network}"\n'
    f'resource_id = "{route.resource_id}"\n'
    for route in good.ROUTES
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """In a folder with a routes.toml and a saved.json that is as it should be."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.toml").write_text(ROUTES)
    save(good.answers(), tmp_path / "saved.json")

    def run(*arguments: str) -> int:
        parser = argparse.ArgumentParser(prog="edge")
        command.add(parser.add_subparsers())
        options = parser.parse_args(["check", *arguments])
        status: int = options.run(options, {})
        return status

    return run


FILE = ("--from-file", "saved.json", "--no-probes")


def test_a_good_configuration_is_status_0(run: Run, capsys: Captured) -> None:
    assert run(*FILE) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0] == (
        "EDFDVBD6EXAMPLE (d111111abcdef8.cloudfront.net), 2026-02-07T08:12:34+00:00"
    )
    assert (
        "  ✓ Lambda timeout fits the facilitator: 5 s; the gate gives up" in shown.out
    )
    assert lines[-1].startswith("0 failed, 0 warned, 12 not checked, ")


def test_a_broken_one_is_status_1_and_says_what_to_do(
    run: Run, capsys: Captured
) -> None:
    break_it(lambda answers: answers["function"].update(Timeout=2))
    assert run(*FILE) == 1
    shown = capsys.readouterr().out
    assert (
        "✗ Lambda timeout fits the facilitator: Lambda ends the gate after 2 s" in shown
    )
    assert "      Set the timeout to 5 seconds, publish, and associate." in shown


def test_without_a_bundle_the_routes_file_is_judged(
    run: Run, capsys: Captured, tmp_path: Path
) -> None:
    assert run(*FILE) == 0
    capsys.readouterr()
    longest = "longest_intent = 172800\n"
    plain = ROUTES.replace('allowed_origins = "*"\n', longest)
    (tmp_path / "routes.toml").write_text(plain)
    assert run(*FILE) == 0
    shown = capsys.readouterr().out
    assert "! Wallets in browsers can read what to pay: No page in a browser" in shown
    assert "! No intent outlives its record: The gate takes intents that" in shown


def test_a_warning_is_status_0(run: Run, capsys: Captured) -> None:
    break_it(lambda answers: answers["function"].update(Timeout=6))
    assert run(*FILE) == 0
    assert "! Lambda timeout fits the facilitator" in capsys.readouterr().out


def test_a_terminal_without_the_signs_gets_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace")
    monkeypatch.setattr(sys, "stdout", screen)
    assert run(*FILE) == 0
    screen.seek(0)
    assert "  + Lambda timeout fits the facilitator" in screen.read()


def test_json_has_the_documented_form(run: Run, capsys: Captured) -> None:
    break_it(lambda answers: answers["function"].update(Timeout=2))
    assert run(*FILE, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    findings, counts = document.pop("findings"), document.pop("counts")
    assert document == {
        "schema": 1,
        "distribution": "EDFDVBD6EXAMPLE",
        "takenAt": "2026-02-07T08:12:34+00:00",
        "passed": False,
    }
    assert [*counts] == ["failed", "warned", "not-checked", "passed"]
    assert (counts["failed"], counts["warned"]) == (1, 0)
    assert sum(counts.values()) == len(findings) == len(CHECKS)
    [failed] = [each for each in findings if each["outcome"] == "failed"]
    assert failed == {
        "name": "function.timeout",
        "line": "Lambda timeout fits the facilitator",
        "outcome": "failed",
        "reason": failed["reason"],
        "remedy": "Set the timeout to 5 seconds, publish, and associate.",
    }
    outcomes = {"passed", "failed", "warned", "not-checked"}
    assert {each["outcome"] for each in findings} <= outcomes
    assert all(each["remedy"] is None for each in findings if each != failed)


def test_a_bundle_is_compared_and_its_secrets_are_not_shown(
    run: Run, capsys: Captured, tmp_path: Path
) -> None:
    secrets = read_environment(
        {
            "NEXFLOW_FACILITATOR_URL": "https://facilitator.example.org/x402",
            "NEXFLOW_API_KEY": KEY,
            "EDGE_SIGNING_SECRET": SIGNING,
            "EDGE_SIGNING_KEY_ID": "key-1",
        }
    )
    routes = [
        {"path": r.path, "network": r.network, "resource_id": r.resource_id}
        for r in good.ROUTES
    ]
    bundle = build(secrets, parse_routes({"route": routes}))
    write(bundle, tmp_path / "lambda-edge.zip")
    assert run(*FILE, "--bundle", "lambda-edge.zip") == 1
    shown = capsys.readouterr().out
    assert "✗ The deployed version is this bundle: Version 7 is not this" in shown
    assert "✓ API key is a production key (nf_live_*): nf_live_…" in shown
    assert "✓ The bundle has the routes of the file" in shown
    assert KEY not in shown
    assert SIGNING not in shown


def test_the_bundle_alone_knows_the_routes(run: Run, tmp_path: Path) -> None:
    secrets = read_environment(
        {
            "NEXFLOW_FACILITATOR_URL": "https://facilitator.example.org/x402",
            "NEXFLOW_API_KEY": KEY,
        }
    )
    (tmp_path / "routes.toml").unlink()
    route = {"path": "/api/*", "network": "eip155:8453", "resource_id": "r"}
    write(build(secrets, parse_routes({"route": [route]})), tmp_path / "gate.zip")
    assert run(*FILE, "--bundle", "gate.zip") == 1  # not the one that is deployed


def test_live_is_like_from_a_file_and_can_be_saved(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    opened: list[str | None] = []

    def open_session(profile: str | None) -> Session:
        opened.append(profile)
        return account().session

    monkeypatch.setattr(command, "open_session", open_session)
    live = ("--distribution-id", "EDFDVBD6EXAMPLE", "--no-probes", "--json")
    regions = ("--regions", "us-east-1", "eu-west-1")
    assert run(*live, *regions, "--profile", "prod", "--save", "now.json") == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert opened == ["prod"]
    assert run("--from-file", "now.json", "--no-probes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["findings"] == found


def test_a_live_check_looks_for_the_gate_where_the_routes_lead(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Another team's function runs on both events of a path of its own."""
    answers = good.answers()
    theirs = "arn:aws:lambda:us-east-1:111122223333:function:admin:4"
    events = [good.trigger(event, theirs) for event in EVENTS]
    admin = good.static_behaviour("/admin/*")
    config = answers["distribution"]["DistributionConfig"]
    config["CacheBehaviors"]["Items"].insert(
        0, admin | {"LambdaFunctionAssociations": good.listed(events)}
    )
    asked: list[str] = []

    def reply(parameters: Any, _: str) -> Any:
        asked.append(parameters["FunctionName"])
        return good.function()

    aws = account(answers)
    aws.replies["GetFunctionConfiguration"] = reply
    monkeypatch.setattr(command, "open_session", lambda _: aws.session)
    live = ("--distribution-id", "EDFDVBD6EXAMPLE", "--no-probes")
    assert run(*live, "--regions", "us-east-1", "eu-west-1") == 0
    assert asked == [good.ARN]


def test_a_live_check_asks_the_distribution_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def probe(targets: Any) -> Any:
        asked.append(targets)
        return good.probes()

    monkeypatch.setattr(command, "open_session", lambda _: account().session)
    monkeypatch.setattr(command, "probe", probe)
    assert run("--distribution-id", "EDFDVBD6EXAMPLE", "--regions", "eu-west-1") == 0
    assert run("--from-file", "saved.json", "--path", "/premium/x") == 0
    assert [(each.url, each.path) for each in asked] == [
        ("https://d111111abcdef8.cloudfront.net", "/api/joke"),
        ("", "/premium/x"),
    ]


def test_a_multi_tenant_distribution_is_not_asked_at_its_own_domain(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """It serves its tenants' domains only."""
    answers = good.answers()
    answers["distribution"]["DistributionConfig"]["ConnectionMode"] = "tenant-only"
    monkeypatch.setattr(command, "open_session", lambda _: account(answers).session)
    live = (
        "--distribution-id",
        "EDFDVBD6EXAMPLE",
        "--regions",
        "us-east-1",
        "eu-west-1",
    )
    assert run(*live) == 0
    assert "402 without payment: give --url, where clients" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["http://api.example.org", "HTTP://API.example.org:8080", "http://10.0.0.1"]
)
def test_a_payment_is_not_sent_in_the_clear(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Captured, url: str
) -> None:
    asked: list[Any] = []

    def probe(targets: Any) -> Any:
        asked.append(targets.payment)
        return good.probes()

    monkeypatch.setattr(command, "probe", probe)
    file = ("--from-file", "saved.json")
    assert run(*file, "--url", url, "--payment", "PROOF") == 2
    assert asked == []
    shown = capsys.readouterr().err
    assert f"{url} is not https: anybody on the way could read the payment" in shown
    assert run(*file, "--url", url) == 0
    assert run(*file, "--url", "https://api.example.org", "--payment", "PROOF") == 0
    assert capsys.readouterr().err == ""
    loopback = "http://127.0.0.1:8000"
    assert run(*file, "--url", loopback, "--payment", "PROOF") == 0
    assert asked == ["", "PROOF", "PROOF"]
    shown = capsys.readouterr().err
    assert shown == f"warning: the payment goes to {loopback}, in the clear\n"


@pytest.mark.parametrize(
    ("paths", "asked"),
    [(["/premium/*", "/api/joke"], "/api/joke"), (["/premium/*", "/x/*"], "/premium")],
)
def test_a_literal_route_is_tried_first(
    run: Run, monkeypatch: pytest.MonkeyPatch, paths: list[str], asked: str
) -> None:
    targets: list[Any] = []

    def probe(given: Any) -> Any:
        targets.append(given)
        return good.probes()

    monkeypatch.setattr(command, "probe", probe)
    one = '[[route]]\npath = "{}"\nnetwork = "eip155:8453"\nresource_id = "r"\n'
    Path("routes.toml").write_text("".join(map(one.format, paths)))
    assert run("--from-file", "saved.json") == 0
    assert [each.path for each in targets] == [asked]


def test_a_payment_can_come_from_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    payments: list[str] = []

    def probe(targets: Any) -> Any:
        payments.append(targets.payment)
        return good.probes()

    monkeypatch.setattr(command, "probe", probe)
    (tmp_path / "proof").write_text("eyJ9\n")
    assert run("--from-file", "saved.json", "--payment", "@proof") == 0
    assert run("--from-file", "saved.json", "--payment", "eyJ9") == 0
    assert payments == ["eyJ9", "eyJ9"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from-file", "missing.json"), "Write one with --save"),
        ((*FILE, "--routes", "missing.toml"), "missing.toml does not exist"),
        ((*FILE, "--bundle", "missing.zip"), "python -m edge build"),
        ((*FILE, "--save", "missing/saved.json"), "Name another with --save"),
        (("--from-file", "saved.json", "--url", "example.org"), "is no URL"),
        (("--from-file", "saved.json", "--origin-url", "ftp://x"), "is no URL"),
        (("--from-file", "saved.json", "--payment", "@missing"), "x402-payment"),
        (("--from-file", "saved.json", "--path", "/free"), "/free is free"),
        (("--from-file", "deep.json"), "deep.json is not JSON"),
        (("--from-file", "saved.json", "--url", "https://a:b"), "is no URL"),
        (("--from-file", "saved.json", "--url", "https://a:99999"), "is no URL"),
        (("--from-file", "saved.json", "--url", "https://[::1"), "is no URL"),
        (("--from-file", "saved.json", "--url", "https://a b"), "is no URL"),
        (("--from-file", "saved.json", "--url", "https://a:PROOF@b"), "no password"),
        (("--from-file", "saved.json", "--url", "http://a:PROOF@b:1"), "no password"),
        (
            ("--from-file", "saved.json", "--origin-url", "https://PROOF@a/b"),
            "no password",
        ),
        (("--from-file", "saved.json", "--url", "https://a:1\\@b"), "no password"),
        (("--from-file", "saved.json", "--payment", "@empty"), "has no payment"),
        (("--from-file", "saved.json", "--payment", "@two-lines"), "on one line"),
        (("--from-file", "saved.json", "--payment", "PROOF\n2"), "on one line"),
    ],
)
def test_what_cannot_be_checked_is_status_2(
    run: Run, capsys: Captured, arguments: tuple[str, ...], message: str
) -> None:
    Path("deep.json").write_text("[" * 100_000)
    Path("two-lines").write_text("PROOF-1\nPROOF-2\n")
    Path("empty").write_text("\n")
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert "PROOF" not in shown.err
    assert shown.out == ""
    assert shown.err.startswith("edge check: ")
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda answers: answers["function"].update(Timeout="5"),
        lambda answers: answers["function"].update(Architectures=[None]),
        lambda answers: answers["distribution"].pop("Status"),
        lambda answers: answers["regions"]["eu-west-1"]["alarms"].append(1),
        lambda answers: answers["distribution"]["DistributionConfig"].update(
            CustomErrorResponses=good.listed([{"ErrorCode": "many"}])
        ),
    ],
)
def test_a_file_that_was_edited_badly_is_status_2(
    run: Run, capsys: Captured, change: Callable[[dict[str, Any]], object]
) -> None:
    break_it(change)
    assert run(*FILE) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("edge check: the configuration lacks something (")
    assert "Take it again with --save." in shown.err


OWN = "EDFDVBD6EXAMPLE"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--distribution-id", OWN),
            "NoSuchDistribution",
            f"there is no distribution {OWN} in this account.",
        ),
        (
            ("--distribution-id", OWN, "--function-name", "x402-egde"),
            None,
            f"no behaviour of {OWN} runs a function x402-egde on viewer-request",
        ),
    ],
)
def test_a_name_that_is_wrong_is_named(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    arguments: tuple[str, ...],
    code: str | None,
    message: str,
) -> None:
    aws = account()
    if code:

        def refused(*_: Any) -> dict[str, Any]:
            raise Denied(code)

        aws.replies["GetDistribution"] = refused
    monkeypatch.setattr(command, "open_session", lambda _: aws.session)
    assert run(*arguments, "--no-probes") == 2
    assert capsys.readouterr().err.startswith(f"edge check: {message}")


def test_without_boto3_it_says_how_to_get_it(
    run: Run, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert run("--distribution-id", "EDFDVBD6EXAMPLE") == 2
    assert "boto3 is needed: pip install boto3" in capsys.readouterr().err
    assert run(*FILE) == 0  # which needs none


@pytest.mark.parametrize(
    "arguments", [(), ("--from-file", "a", "--distribution-id", "EDFDVBD6EXAMPLE")]
)
def test_what_is_checked_is_said_once(run: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def break_it(change: Callable[[dict[str, Any]], object]) -> None:
    file = Path("saved.json")
    answers = json.loads(file.read_text())
    change(answers)
    file.write_text(json.dumps(answers))
