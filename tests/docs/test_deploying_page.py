"""What the pages about deploying show is what the commands take, print and log."""

import argparse
import contextlib
import io
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge.__main__ import COMMANDS, main
from edge.check import report
from edge.check.checklist import CHECKS, examine
from edge.check.snapshot import parse
from edge.check.subject import gather
from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.handler import Edge, bundled
from edge.runtime.nexflow import NexFlow
from edge.runtime.signature import SigningKey
from tests.edge.check import good
from tests.edge.check.real_lines import INTENT, PAID
from tests.edge.commands import build
from tests.edge.deploy.account import Account, Interruption
from tests.edge.deploy.clock import Clock
from tests.edge.deploy.examples import ENVIRONMENT, NEW_KEY, behaviour, distribution
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.test_rotate import signing, without_signing
from tests.edge.deploy.wire import WiredSession
from tests.edge.examples import SIGNING, settings_for
from tests.support.cloudfront_events import origin_response, viewer_request
from tests.support.scripted_facilitator import ScriptedFacilitator, wire

ROOT = Path(__file__).parents[2]
DEPLOYING = (ROOT / "docs" / "deploying-the-edge.md").read_text()
CHECKLIST = (ROOT / "docs" / "production-checklist.md").read_text()
BOTH = DEPLOYING + CHECKLIST
SECTIONS = {
    "## 1. Idempotency": 7,
    "## 2. Latency expectations": 10,
    "## 3. CloudWatch logging": 13,
    "## 4. Failure modes": 13,
    "## 5. API key rotation": 10,
    "## The ten boxes": 10,
}
VERDICTS = ("true", "automated", "wrong", "not ours", "half automated")

# Of Logs Insights, as much as the queries use.
INSIGHTS = {
    *("fields", "filter", "stats", "sort", "by", "as", "and", "or", "not", "in"),
    *("like", "asc", "desc", "bin", "count", "sum", "max", "pct", "latest"),
    *("ispresent", "strcontains", "m"),
}

Captured = pytest.CaptureFixture[str]


def blocks(language: str, page: str = DEPLOYING) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """That of `python -m edge`, and those of its commands."""
    whole = argparse.ArgumentParser(prog="python -m edge")
    commands = whole.add_subparsers(required=True)
    for add in COMMANDS:
        add(commands)
    return whole, dict(commands.choices)


def options_of(parsers: Iterable[argparse.ArgumentParser]) -> set[str]:
    return {
        option
        for each in parsers
        for option in re.findall(r"--[a-z-]+", each.format_help())
    }


def shown_commands() -> list[list[str]]:
    """Those to be copied from a block, and those within a sentence."""
    copied = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    spoken = re.findall(r"`(python -m edge [^`…]+)`", BOTH)
    found = [each.partition("python -m edge ")[2] for each in (*copied, *spoken)]
    return [shlex.split(words) for words in found if words]


def test_every_command_that_is_shown_is_taken() -> None:
    whole, by_name = parser()
    shown = shown_commands()
    assert {words[0] for words in shown} == set(by_name)
    for name, *options in shown:
        given = {word for word in options if word.startswith("--")}
        assert given <= options_of([by_name[name]])  # argparse takes a part of one
        if options:
            whole.parse_args([name, *completed(name, options)])


def completed(name: str, options: list[str]) -> list[str]:
    """A sentence may leave out what each use of the command needs."""
    if name in ("build", "emulate") or {"--distribution-id", "--from-file"} & set(
        options
    ):
        return [word.replace("ID", "E2QWRUHAPOMQZL") for word in options]
    values = {"--memory": "128", "--version": "1", "--timeout": "60"}
    given = [part for word in options for part in (word, values.get(word)) if part]
    return [*given, "--distribution-id", "E2QWRUHAPOMQZL"]


def test_every_option_that_is_named_exists() -> None:
    _, by_name = parser()
    named = set(re.findall(r"`(--[a-z-]+)[ `]", BOTH))
    assert len(named) > 12
    assert named <= options_of(by_name.values())


def test_every_variable_that_is_named_is_read(capsys: Captured) -> None:
    named = set(re.findall(r"`((?:NEXFLOW|EDGE)_[A-Z_]+)`", DEPLOYING))
    with pytest.raises(SystemExit):
        main(["build", "--help"], {})
    assert named == set(
        re.findall(r"(?:NEXFLOW|EDGE)_[A-Z_]+", capsys.readouterr().out)
    )


def test_every_parameter_and_alarm_that_is_named_is_in_the_template() -> None:
    template = (ROOT / "edge" / "template.yaml").read_text()
    there = set(re.findall(r"^  (\w+):$", template, re.MULTILINE))
    given = re.findall(r"([A-Z][a-z]\w+)=", "".join(blocks("sh")))
    explained = re.findall(r"other parameters \((.+)\)", DEPLOYING)[0]
    alarms = re.findall(r"^\| [a-z ]+ \| `([A-Z]\w+)` \|", DEPLOYING, re.MULTILINE)
    assert (len(set(given)), len(alarms)) == (5, 5)
    assert {*given, *alarms, *re.findall(r"`(\w+)`", explained)} <= there


@pytest.fixture(scope="module")
def session() -> WiredSession:
    return WiredSession()


def test_the_commands_print_what_is_shown(
    session: WiredSession, tmp_path: Path, capsys: Captured
) -> None:
    build(tmp_path / "lambda-edge.zip")
    printed = capsys.readouterr().out.replace(f"{tmp_path}/", "").splitlines()
    printed += [*deploying(session, tmp_path), *checking()]
    shown = [line for block in blocks("text") for line in block.splitlines()]
    assert len(shown) > 50
    known = {without_numbers(line) for line in printed}
    strange = [line for line in shown if without_numbers(line) not in known | {"…"}]
    assert strange == []


def test_the_size_of_the_bundle_is_as_it_is_told(tmp_path: Path) -> None:
    zipped = tmp_path / "lambda-edge.zip"
    build(zipped)
    told = re.findall(r"([\d,]+)  lambda-edge.zip|about (\d+) KB", BOTH)
    sizes = [int(shown.replace(",", "") or f"{about}000") for shown, about in told]
    assert len(sizes) == 2
    assert all(abs(size - zipped.stat().st_size) < 1_500 for size in sizes)


def deploying(session: WiredSession, folder: Path) -> list[str]:
    """All that an operator reads who does what the page says."""
    api = behaviour("api", "/api/*")

    def hired(*behaviours: dict[str, object]) -> Operator:
        config = distribution(*(behaviours or (behaviour("api", "/api"), api)))
        return Operator(session, Account(Clock(), config), folder)

    live, bare, cut, slow, secrets = hired(), hired(api), hired(), hired(), hired()
    live.deploy("--yes")
    live.rotate("--yes")  # the new key was forgotten
    live.rotate("--yes", environment=NEW_KEY)
    live.roll_back("--yes")
    live.deploy("--yes", environment=NEW_KEY)
    bare.deploy("--plan")
    cut.account.interruption = Interruption(20, is_before=False)
    cut.deploy("--yes")
    slow.deploy("--yes", "--timeout", "60")
    secrets.deploy("--yes", environment=signing("2026-01"))
    secrets.rotate("--yes", environment=signing("2026-02", "2026-01"))
    secrets.deploy("--yes", environment=without_signing(ENVIRONMENT))
    secrets.deploy("--yes", environment=signing("2026-01", "2026-02"))
    secrets.rotate("--yes", environment=signing("2026-02", "2026-01"))
    return [line for each in (live, bare, cut, slow, secrets) for line in each.said]


def checking() -> list[str]:
    answers = good.answers()
    answers["function"]["Timeout"] = 2
    snapshot = parse(answers)
    evidence = gather(snapshot, None, good.ROUTES, good.probes())
    return [*report.as_text(examine(evidence), snapshot, "utf-8")]


def without_numbers(line: str) -> str:
    """Sizes, digests and times are those of the day the page was written."""
    line = re.sub(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=", "digest", line)
    return re.sub(r" *\d[\d,]*", " N", line).strip()


class Told(NexFlow):
    """It answers what it is told to."""

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        super().__init__(SETTINGS)
        self._answers = [*answers]

    def verify(self, *_: object) -> Answer | NoAnswer:
        return self._answers.pop(0)

    def settle(self, *_: object) -> Answer | NoAnswer:
        return self._answers.pop(0)


SETTINGS = settings_for("http://127.0.0.1:1", signing=(SIGNING,))  # nobody is there
VALID = Answer(200, {"valid": True, "settlementIntentId": "intent-1"})
SETTLED = Answer(200, {"ok": True, "settledAt": "2026-02-07T08:12:34.850Z"})
REFUSED = Answer(401, {"error": "unauthorized"})
NO = Answer(402, {"ok": False, "error": "insufficient_funds"})
TOO_LATE = NoAnswer("the facilitator did not answer in time")


@pytest.fixture(scope="module")
def raw() -> list[str]:
    """What the gate itself writes, on good days and on bad ones."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as written,
        ScriptedFacilitator() as cutting,
    ):
        cutting.will(wire(b"HTTP/1.1 200 OK\r\n"))
        Edge(settings_for(cutting.url))(viewer_request(headers=PAID), None)
        Edge(SETTINGS)(viewer_request(headers=PAID), None)
        for said in (REFUSED, Answer(429, None), TOO_LATE):
            Edge(SETTINGS, Told(said))(viewer_request(headers=PAID), None)
        Edge(SETTINGS, Told(Answer(200, {"valid": False})))(viewer_request(), None)
        for said in (SETTLED, REFUSED, NO, TOO_LATE):
            pay(Edge(SETTINGS, Told(said)))
        for status in ("307", "400", "401", "409", "503"):
            pay(Edge(SETTINGS), status)
        Edge(SETTINGS)(origin_response(), None)
        Edge(SETTINGS)(origin_response(headers=INTENT), None)
        pay(Edge(settings_for("http://x", signing=(SigningKey("new", b"s" * 32),))))
        pay(Edge(settings_for("http://x", signing=(SigningKey("2026-02", b"s" * 32),))))
        bundled()(viewer_request(), None)  # no settings.json is beside the sources
    return written.getvalue().splitlines()


def pay(then: Edge, status: str = "200") -> None:
    """A payment that the gate lets through, and what becomes of it at this one."""
    event = origin_response(status=status)
    forwarded = Edge(SETTINGS, Told(VALID))(viewer_request(headers=PAID), None)
    event["Records"][0]["cf"]["request"] = forwarded
    then(event, None)


@pytest.fixture(scope="module")
def lines(raw: list[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in raw]


def test_the_queries_ask_for_what_the_gate_writes(
    raw: list[str], lines: list[dict[str, object]]
) -> None:
    fields = {field for line in lines for field in line}
    queries = blocks("insights")
    assert len(queries) == 10
    for query in queries:
        for text in re.findall(r"'([^']+)'", query):
            assert any(text in line for line in raw), text
        assert set(re.findall(r'eventType = "(\w+)"', query)) <= event_types(lines)
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", query)
        made = set(re.findall(r" as (\w+)", bare))
        words = set(re.findall(r"(?<![@\w])[a-zA-Z]\w*", bare))
        assert words - INSIGHTS - made <= fields
        assert words & fields or "@message" in query


def event_types(lines: list[dict[str, object]]) -> set[object]:
    return {line["eventType"] for line in lines}


def test_every_field_that_the_gate_writes_is_explained(
    lines: list[dict[str, object]],
) -> None:
    table = DEPLOYING.partition("| field | in | what |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    for names, where in rows:
        kinds = (
            event_types(lines) if "all" in where else set(re.findall(r"`(\w+)`", where))
        )
        for name in re.findall(r"`(\w+)`", names):
            assert {line["eventType"] for line in lines if name in line} == kinds, name
    explained = {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert explained == {field for line in lines for field in line}


def test_every_check_is_named_and_no_other() -> None:
    names = {check.name for check in CHECKS}
    assert set(re.findall(r"\[`([\w.-]+)`\]", CHECKLIST)) == names
    groups = "|".join({name.partition(".")[0] for name in names})
    named = re.findall(rf"`((?:{groups})\.(?!toml)[a-z-]+)`", DEPLOYING)
    assert len(named) > 5
    assert set(named) <= names


def failures() -> list[list[str]]:
    head = "| what fails | the client sees |"
    table = DEPLOYING.partition(head)[2].partition("\n\n")[0]
    return [row.split("|")[1:-1] for row in table.splitlines()[2:]]


def test_every_failure_names_the_test_that_shows_it() -> None:
    assert len(failures()) >= 29
    assert all(len(row) == 6 and "`test_" in row[5] for row in failures())


def test_the_log_says_of_a_failure_what_is_shown(
    lines: list[dict[str, object]],
) -> None:
    written = {line.get("error") or line.get("reason") for line in lines}
    fields = {field for line in lines for field in line} | event_types(lines)
    shown = {text for row in failures() for text in re.findall(r"`([^`]+)`", row[2])}
    assert len(shown) > 15
    assert shown <= written | fields
    advised = set(re.findall(r"`(the signature [^`]+)`", DEPLOYING))
    assert len(advised) == 3
    assert advised <= written


@pytest.mark.parametrize(("heading", "count"), SECTIONS.items())
def test_every_line_of_the_checklist_has_a_verdict(heading: str, count: int) -> None:
    section = CHECKLIST.partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = [row.split("|") for row in section.splitlines() if row.startswith("| ")][1:]
    assert len(rows) == count
    assert all(row[2].strip().startswith(VERDICTS) for row in rows)
