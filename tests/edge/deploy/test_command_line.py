"""The commands as a person types them."""

import http.server
import sys
from threading import Thread

import pytest

from edge.__main__ import main
from edge.deploy import terminal

Captured = pytest.CaptureFixture[str]
STATUS = "Exit status: 0 when it is done, 1"
TARGET = ["--distribution-id", "E2QWRUHAPOMQZL"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "deploy",
            ["--distribution-id", "--bundle", "--plan", "permissions.json", STATUS],
        ),
        ("rollback", ["--version", "--yes", "revoked its API key", STATUS]),
        ("rotate", ["--routes", "Then, and not before", STATUS]),
    ],
)
def test_help_says_what_a_command_does_and_needs(
    capsys: Captured, command: str, words: list[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"], {})
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "the following arguments are required: --distribution-id"),
        (["--distribution-id", "nginx"], "'nginx' is not a distribution's id"),
        ([*TARGET, "--function-name", "a b"], "'a b' is not a function's name"),
        ([*TARGET, "--role", "mine"], "'mine' is not arn:aws:iam::123456789012:role/"),
        (
            [*TARGET, "--memory", "64"],
            "whole number from 128 to 10240, not '64'",
        ),
        (
            [*TARGET, "--memory", "much"],
            "whole number from 128 to 10240, not 'much'",
        ),
        (
            [*TARGET, "--timeout", "-1"],
            "whole number from 0 to 86400, not '-1'",
        ),
        ([*TARGET, "--runtime", "python3.9"], "invalid choice: 'python3.9'"),
        ([*TARGET, "--bundle", "a", "--routes", "b"], "not allowed with argument"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    capsys: Captured, options: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["deploy", *options], {})
    assert refused.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["check", "--distribution-id", ""], "'' is not a distribution's id"),
        (["check", "--distribution-id", "../x"], "'../x' is not a distribution's id"),
        (["check", "--distribution-id", "E123"], "'E123' is not a distribution's id"),
        (["rollback", *TARGET, "--version", "0"], "whole number from 1 to"),
        (
            ["rollback", *TARGET, "--version", "$LATEST"],
            "whole number from 1 to",
        ),
    ],
)
def test_so_it_is_by_the_other_commands(
    capsys: Captured, arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments, {})
    assert refused.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_rotation_does_not_end_before_it_is_everywhere(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["rotate", *TARGET, "--no-wait"], {})
    assert "unrecognized arguments: --no-wait" in capsys.readouterr().err


def test_whoever_is_not_at_a_terminal_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(None))
    assert terminal.ask("Do this?") is None


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [("y", True), (" YES ", True), ("n", False), ("", False), ("maybe", False)],
)
def test_only_a_yes_is_a_yes(
    monkeypatch: pytest.MonkeyPatch, answer: str, meaning: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert terminal.ask("Do this?") is meaning


def test_a_terminal_that_is_closed_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Closed("y"))
    assert terminal.ask("Do this?") is False


class Terminal:
    def __init__(self, answer: str | None) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return self._answer is not None

    def readline(self) -> str:
        return f"{self._answer}\n"


class Closed(Terminal):
    def readline(self) -> str:
        return ""


class _Zip(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"zip")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_a_bundle_is_read_from_the_address_that_lambda_gives() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Zip) as server:
        Thread(target=server.handle_request).start()
        address = f"http://127.0.0.1:{server.server_port}/bundle?signed=yes"
        assert terminal.download(address) == b"zip"


def test_what_is_said_is_said_at_once(capsys: Captured) -> None:
    terminal.say("[   0 s] created")
    assert capsys.readouterr().out == "[   0 s] created\n"
