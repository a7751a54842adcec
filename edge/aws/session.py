"""The account as boto3 sees it, with errors translated for the operator.

boto3 is imported here and nowhere else, when a command needs it: building needs none.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ..errors import AwsTrouble, Refused

# Lambda@Edge functions live in N. Virginia; CloudFront and IAM are global.
REGION = "us-east-1"

# botocore retries throttled and lost calls like this, before it raises.
ATTEMPTS = 6

_UNKNOWN_KEYS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

# What botocore lets through of a configuration that it cannot use: a credential process
# or a token file that does not exist, an endpoint that is no URL.
_UNEXPLAINED = (OSError, ValueError)


class Session:
    def __init__(self, boto_session: Any) -> None:
        self._session = boto_session

    def client(self, service: str, region: str = REGION) -> Any:
        config = import_module("botocore.config").Config(
            connect_timeout=10,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        with explained(str(self)):
            return self._session.client(service, region_name=region, config=config)

    def __str__(self) -> str:
        """Whose permissions these are, as far as the configuration tells."""
        try:
            credentials = self._session.get_credentials()
        except (import_module("botocore.exceptions").BotoCoreError, *_UNEXPLAINED):
            credentials = None  # the first call will report the error
        if credentials is not None and credentials.method == "env":
            return "the credentials in the environment"
        return f'profile "{self._session.profile_name}"'


def open_session(profile: str | None = None) -> Session:
    """Raises Refused if boto3 is missing."""
    try:
        boto3 = import_module("boto3")
    except ModuleNotFoundError as missing:
        raise Refused("boto3 is needed: pip install boto3") from missing
    name = profile or os.environ.get("AWS_PROFILE") or "default"
    with explained(f'profile "{name}"'):
        return Session(boto3.Session(profile_name=profile, region_name=REGION))


@contextmanager
def explained(who: str, needed: str = "") -> Iterator[None]:
    """Turns what botocore raises inside into an AwsTrouble. `needed` says where the
    permissions are listed that a command needs."""
    exceptions = import_module("botocore.exceptions")
    try:
        yield
    except exceptions.ClientError as refused:
        raise AwsTrouble(_of_answer(refused, who, needed)) from refused
    except exceptions.BotoCoreError as failed:
        raise AwsTrouble(_of_failure(failed, who)) from failed
    except _UNEXPLAINED as wrong:
        said = " ".join(str(wrong).split()).removesuffix(".")
        raise AwsTrouble(
            f"{who}: boto3 cannot use the AWS configuration: {said}"
            f" ({type(wrong).__name__}). Look at ~/.aws/config, ~/.aws/credentials and"
            " the AWS_ variables in the environment."
        ) from wrong


def _of_answer(refused: Any, who: str, needed: str) -> str:
    error = refused.response.get("Error", {})
    code, said = str(error.get("Code")), " ".join(str(error.get("Message", "")).split())
    if code in _UNKNOWN_KEYS:
        return f"AWS does not accept {who} ({code}). Log in again, or name --profile."
    if code in _EXPIRED:
        return f"{who} has expired. Log in again, e.g. with aws sso login."
    if code in _DENIED:
        return _of_denial(refused.operation_name, said, who, needed)
    if code in _THROTTLED:
        return (
            f"AWS is throttling {refused.operation_name} ({code})."
            " Repeat this command in a minute: it goes on where it stopped."
        )
    return f"{refused.operation_name} was refused: {said or 'no reason given'} ({code})"


def _of_denial(operation: str, said: str, who: str, needed: str) -> str:
    found = re.search(r"not authorized to perform: ([\w:*]+)", said)
    if found is None:
        return f"{who} may not call {operation}: {said}"
    on = re.search(r"on resource: (\S+)", said)
    where = f" on {on[1]}" if on else ""
    return (
        f"{who} lacks the permission {found[1]}{where}. {needed or 'Allow it in IAM.'}"
    )


def _of_failure(failed: Any, who: str) -> str:
    said = " ".join(str(failed).split()).removesuffix(".")
    name = type(failed).__name__
    if "Token" in name or name.startswith(("SSO", "Login", "CredentialRetrieval")):
        return f"{who}: {said}. Log in again, e.g. with aws sso login."
    match name:
        case "NoCredentialsError" | "PartialCredentialsError":
            return (
                f"there are no complete AWS credentials for {who}."
                " Run aws configure or aws sso login, or name --profile."
            )
        case "ProfileNotFound":
            return f"{who} is not configured. See aws configure list-profiles."
        case (
            "EndpointConnectionError"
            | "ConnectTimeoutError"
            | "ProxyConnectionError"
            | "ReadTimeoutError"
            | "ConnectionClosedError"
            | "SSLError"
        ):
            return f"AWS cannot be reached: {said}. Repeat the command when it can."
        case _:
            return f"{who}: {said}"
