"""What is refused, with what words, and what is left behind: nothing."""

from pathlib import Path

import pytest

from edge.__main__ import main
from tests.edge.commands import ENVIRONMENT, Captured, build


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("NEXFLOW_FACILITATOR_URL", None, "is not set. Set it"),
        ("NEXFLOW_FACILITATOR_URL", "", "is not set. Set it"),
        ("NEXFLOW_FACILITATOR_URL", "example.org", "must start with https://"),
        ("NEXFLOW_FACILITATOR_URL", "ftp://example.org", "must start with https://"),
        ("NEXFLOW_FACILITATOR_URL", "https://", "must start with https://"),
        ("NEXFLOW_FACILITATOR_URL", "https://[", "is not a URL"),
        ("NEXFLOW_FACILITATOR_URL", "https://u:p@example.org", "credentials"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org\n", "space or a control"),
        ("NEXFLOW_FACILITATOR_URL", "https://exam ple.org", "space or a control"),
        ("NEXFLOW_FACILITATOR_URL", "https://exämple.org", '"xn--exmple-cua.org"'),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org/ä", "Percent-encode it"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org:0", "has port 0"),
        ("NEXFLOW_FACILITATOR_URL", f"https://{'a' * 70}.org", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "http://example.org", "Use https://"),
        ("NEXFLOW_FACILITATOR_URL", "https://host\\x402", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://-bad-.example.com/", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://bad-.example.com/", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org.", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://a..b/", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://1.2.3.4.5/", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://ex%61mple.org/", "no host has such"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org:/", "Remove the colon"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org/a\\b", "percent-encode it"),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org/%zz", "percent-encode it"),
        (
            "NEXFLOW_FACILITATOR_URL",
            "https://example.org/x402/verify",
            "Remove it: https://example.org/x402\n",
        ),
        ("NEXFLOW_FACILITATOR_URL", "https://example.org/settle/", "the gate adds"),
        ("NEXFLOW_FACILITATOR_URL", "http://127.0.0.1.evil.org", "Use https://"),
        ("NEXFLOW_API_KEY", None, "is not set. Set it"),
        ("NEXFLOW_API_KEY", "", "is not set. Set it"),
        ("NEXFLOW_API_KEY", "SECRETKEY", "starts with nf_live_ or nf_test_"),
        ("NEXFLOW_API_KEY", "nf_live_", "starts with nf_live_ or nf_test_"),
        ("NEXFLOW_API_KEY", "nf_live_SECRETKEY\n", "white space around it"),
        ("NEXFLOW_API_KEY", "nf_live_SECRETKEYä", "letters, digits"),
        ("NEXFLOW_API_KEY", "nf_live_...", "not an example"),
    ],
)
def test_a_setting_that_is_missing_or_malformed_is_refused(
    tmp_path: Path, capsys: Captured, name: str, value: str | None, hint: str
) -> None:
    others = {other: ENVIRONMENT[other] for other in ENVIRONMENT if other != name}
    environment = others if value is None else {**others, name: value}
    assert build(tmp_path / "a.zip", environment) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"edge build: {name}")
    assert hint in said.err
    assert "SECRETKEY" not in said.err + said.out
    assert list(tmp_path.iterdir()) == []


def test_missing_routes_are_refused(tmp_path: Path, capsys: Captured) -> None:
    assert build(tmp_path / "a.zip", routes=tmp_path / "none.toml") == 2
    assert "none.toml does not exist. Write one" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: Captured
) -> None:
    assert build(tmp_path / "none" / "a.zip") == 2
    assert "Name another with --output" in capsys.readouterr().err
    assert build(tmp_path) == 2
    assert list(tmp_path.parent.glob("*~")) == []


def test_a_refused_build_leaves_the_last_bundle_alone(tmp_path: Path) -> None:
    output = tmp_path / "a.zip"
    build(output)
    before = output.read_bytes()
    build(output, {})
    assert output.read_bytes() == before
    assert list(tmp_path.iterdir()) == [output]


def test_no_command_is_refused(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as refused:
        main([], {})
    assert refused.value.code == 2
    assert "command" in capsys.readouterr().err
