"""What AWS, or the way to it, can answer instead, and what the operator reads then."""

import sys
from collections.abc import Callable
from pathlib import Path

import boto3  # type: ignore[import-untyped] # ships no types
import pytest
from botocore import exceptions  # type: ignore[import-untyped] # same

from edge.__main__ import main
from edge.aws.session import Session, explained, open_session
from edge.errors import AwsTrouble
from tests.edge.deploy.account import deny
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.wire import AwsError


def failing(times: int, code: str, message: str = "") -> Callable[[str], None]:
    left = list(range(times))

    def before(_operation: str) -> None:
        if left:
            left.pop()
            raise AwsError(code, message)

    return before


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore sleeps between two attempts: some tenths of a second, then more."""
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0.0)


@pytest.mark.usefixtures("no_pause")
def test_throttling_is_waited_out(operator: Operator) -> None:
    operator.account.before = failing(3, "ThrottlingException", "Rate exceeded")
    assert operator.deploy("--yes") == 0
    calls = operator.account.calls
    assert calls[:4] == ["lambda:GetFunctionConfiguration"] * 4


@pytest.mark.usefixtures("no_pause")
def test_throttling_that_does_not_end_is_said(operator: Operator) -> None:
    operator.account.before = failing(99, "ThrottlingException", "Rate exceeded")
    assert operator.deploy("--yes") == 1
    assert operator.said[-1] == (
        "edge deploy: AWS is throttling GetFunctionConfiguration"
        " (ThrottlingException). Repeat this command in a minute: it goes on where it"
        " stopped."
    )
    assert len(operator.account.calls) == 6


def denying(service: str, operation: str) -> Callable[[str], None]:
    def before(called: str) -> None:
        if called == operation:
            raise deny(service, operation)

    return before


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("lambda", "GetFunctionConfiguration"),
        ("lambda", "ListVersionsByFunction"),
        ("lambda", "CreateFunction"),
        ("lambda", "PublishVersion"),
        ("iam", "GetRole"),
        ("iam", "CreateRole"),
        ("iam", "AttachRolePolicy"),
        ("cloudfront", "GetDistribution"),
        ("cloudfront", "GetCachePolicy"),
        ("cloudfront", "UpdateDistribution"),
    ],
)
def test_a_missing_permission_is_named(
    operator: Operator, service: str, operation: str
) -> None:
    operator.account.before = denying(service, operation)
    assert operator.deploy("--yes") == 1
    assert operator.said[-1] == (
        f'edge deploy: profile "default" lacks the permission {service}:{operation} on'
        f" arn:aws:{service}:::example. All that this command needs is in"
        " edge/deploy/permissions.json."
    )


def test_a_permission_is_all_that_was_missing(operator: Operator) -> None:
    operator.account.before = denying("cloudfront", "UpdateDistribution")
    operator.deploy("--yes")
    operator.account.before = lambda _: None
    assert operator.deploy("--yes") == 0
    assert len(operator.account.functions.published) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "UnrecognizedClientException",
            (
                'AWS does not accept profile "default" (UnrecognizedClientException).'
                " Log in again, or name --profile."
            ),
        ),
        (
            "ExpiredTokenException",
            'profile "default" has expired. Log in again, e.g. with aws sso login.',
        ),
        (
            "AccessDeniedException",
            'profile "default" may not call GetFunctionConfiguration: out of luck',
        ),
        (
            "InvalidRequestContentException",
            (
                "GetFunctionConfiguration was refused: out of luck"
                " (InvalidRequestContentException)"
            ),
        ),
    ],
)
def test_what_aws_refuses_is_one_line(
    operator: Operator, code: str, words: str
) -> None:
    operator.account.before = failing(99, code, "out\nof  luck")
    assert operator.deploy("--yes") == 1
    assert operator.said == [f"edge deploy: {words}"]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            exceptions.NoCredentialsError(),
            (
                "there are no complete AWS credentials for me."
                " Run aws configure or aws sso login, or name --profile."
            ),
        ),
        (
            exceptions.ProfileNotFound(profile="me"),
            "me is not configured. See aws configure list-profiles.",
        ),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://aws.invalid"),
            (
                "AWS cannot be reached: Could not connect to the endpoint URL:"
                ' "https://aws.invalid". Repeat the command when it can.'
            ),
        ),
        (
            exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
            (
                "me: Error when retrieving token from sso: expired."
                " Log in again, e.g. with aws sso login."
            ),
        ),
        (
            exceptions.SSOTokenLoadError(error_msg="no token"),
            (
                "me: Error loading SSO Token: no token."
                " Log in again, e.g. with aws sso login."
            ),
        ),
        (
            exceptions.ReadTimeoutError(endpoint_url="https://aws.invalid"),
            (
                'AWS cannot be reached: Read timeout on endpoint URL: "https://aws'
                '.invalid". Repeat the command when it can.'
            ),
        ),
    ],
)
def test_what_botocore_raises_is_one_line(failure: Exception, words: str) -> None:
    with pytest.raises(AwsTrouble, match=r".") as trouble, explained("me"):
        raise failure
    assert str(trouble.value) == words


def test_without_boto3_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    command = ["rollback", "--distribution-id", "E2QWRUHAPOMQZL"]
    assert main(command, {}) == 2
    assert capsys.readouterr().err == (
        "edge rollback: boto3 is needed: pip install boto3\n"
    )


def test_a_profile_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    command = ["rollback", "--distribution-id", "E2QWRUHAPOMQZL", "--profile", "none"]
    assert main(command, {}) == 1
    assert 'profile "none" is not configured' in capsys.readouterr().err


def test_a_profile_that_is_not_complete_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile half]\nrole_arn = arn:aws:iam::123456789012:role/deployer\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    command = ["rollback", "--distribution-id", "E2QWRUHAPOMQZL", "--profile", "half"]
    assert main(command, {}) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edge rollback: there are no complete AWS credentials for")


@pytest.mark.parametrize(
    ("config", "variable", "value"),
    [
        ("credential_process = /nowhere/to/be/found", "", ""),
        ("credential_process = echo hello", "", ""),
        (
            "web_identity_token_file = /nowhere\nrole_arn = arn:aws:iam::1:role/x",
            "",
            "",
        ),
        ("", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/x"),
        (
            "aws_access_key_id = A\naws_secret_access_key = b",
            "AWS_ENDPOINT_URL",
            "no-url",
        ),
    ],
    ids=["no process", "no answer", "no token", "no container", "no url"],
)
@pytest.mark.parametrize("command", ["check", "rollback"])
def test_a_configuration_that_botocore_does_not_explain(
    command: str,
    config: str,
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "config"
    file.write_text(f"[default]\n{config}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, value)
    assert main([command, "--distribution-id", "E2QWRUHAPOMQZL"], {}) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'edge {command}: profile "default": boto3 cannot use the')
    assert "~/.aws/config" in line


def test_a_profile_of_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(AwsTrouble, match='profile "gone" is not configured'):
        open_session()


def test_credentials_of_the_environment_are_called_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert str(open_session()) == "the credentials in the environment"
    assert str(Session(boto3.Session("A", "b"))) == 'profile "default"'


def test_an_interruption_says_how_to_go_on(operator: Operator) -> None:
    def before(_operation: str) -> None:
        raise KeyboardInterrupt

    operator.account.before = before
    assert operator.deploy("--yes") == 130
    assert operator.said[-1] == (
        "edge deploy: interrupted. Repeat the command to go on: nothing is done twice."
    )
