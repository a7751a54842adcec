"""What a build reads from its environment, or what to change there.

Lambda@Edge has no environment variables, so all of it is baked into the bundle.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from .refused import BuildRefused
from .settings import SettingsError, endpoint
from .signature import SigningKey
from .signing_keys import NO_SIGNING, is_guessable, read_signing_keys

URL_VARIABLE = "NEXFLOW_FACILITATOR_URL"
KEY_VARIABLE = "NEXFLOW_API_KEY"
PUBLIC_URL = "https://api.nexflowapp.app/api/v1/facilitator/x402"

LIVE, TEST = "nf_live_", "nf_test_"

TEST_KEY_REFUSED = (
    f"{KEY_VARIABLE} is a test key, with which stub proofs pass as payments."
    f" Set it to an {LIVE} key, or say --allow-test-key if that is what you want."
)


class Secrets(NamedTuple):
    url: str
    key: str
    signing: tuple[SigningKey, ...] = ()
    """The first one signs; the gate recognises all of them as its own."""

    def __repr__(self) -> str:
        return f"Secrets({self.url})"


def read_environment(environment: Mapping[str, str]) -> Secrets:
    """Raises BuildRefused."""
    url, key = environment.get(URL_VARIABLE, ""), environment.get(KEY_VARIABLE, "")
    if not url:
        raise BuildRefused(f"{URL_VARIABLE} is not set. Set it, e.g. to {PUBLIC_URL}.")
    if not key:
        raise BuildRefused(f"{KEY_VARIABLE} is not set. Set it to your API key.")
    _check_url(url)
    _check_key(key)
    return Secrets(url, key, read_signing_keys(environment))


def refuse_test_key(secrets: Secrets) -> None:
    """Raises BuildRefused for what would give away what is sold. A facilitator on this
    machine sells nothing."""
    if secrets.key.startswith(TEST) and not is_loopback(endpoint(secrets.url).host):
        raise BuildRefused(TEST_KEY_REFUSED)


def warnings(secrets: Secrets) -> Iterator[str]:
    if secrets.key.startswith(TEST):
        yield (
            f"{KEY_VARIABLE} is a test key: stub proofs will be accepted as payment."
            f" Build with an {LIVE} key before you deploy."
        )
    if is_loopback(endpoint(secrets.url).host):
        yield f"{URL_VARIABLE} is this machine: nobody can reach it from the edge."
    if not secrets.signing:
        yield NO_SIGNING
    for key in filter(is_guessable, secrets.signing):
        yield (
            f"the secret {key.id} says the same again and again, so it can be guessed."
            " Make one with `openssl rand -hex 32`."
        )


def _check_url(url: str) -> None:
    if url.startswith((LIVE, TEST)):
        raise BuildRefused(
            f"{URL_VARIABLE} is an API key. That belongs into {KEY_VARIABLE}; set this"
            f" to the facilitator's URL, e.g. {PUBLIC_URL}."
        )
    if any(character <= " " or character == "\x7f" for character in url):
        raise BuildRefused(f"{URL_VARIABLE} has a space or a control in it. Remove it.")
    try:
        parts = endpoint(url)
    except SettingsError as wrong:
        raise BuildRefused(
            f"{URL_VARIABLE}: {wrong}. An example: {PUBLIC_URL}"
        ) from wrong
    _check_host(parts.host)
    if not url.isascii():
        raise BuildRefused(
            f"{URL_VARIABLE} has a character in its path that is not ASCII."
            " Percent-encode it."
        )
    if not parts.secure and not is_loopback(parts.host):
        raise BuildRefused(
            f"{URL_VARIABLE} is http://, which shows your API key to everybody on the"
            " way. Use https://; only a facilitator on this machine may do without."
        )


def _check_host(host: str) -> None:
    try:
        name = host.encode("idna").decode()
    except UnicodeError as wrong:
        raise BuildRefused(f"{URL_VARIABLE}: no host has such a name.") from wrong
    if not host.isascii():
        raise BuildRefused(
            f'{URL_VARIABLE} names a host in another script than ASCII. Write "{name}".'
        )


def _check_key(key: str) -> None:
    if key != key.strip():
        raise BuildRefused(
            f"{KEY_VARIABLE} has white space around it, such as the end of a line."
            " Remove it."
        )
    prefix, rest = key[: len(LIVE)], key[len(LIVE) :]
    if prefix not in (LIVE, TEST) or not rest:
        raise BuildRefused(
            f"{KEY_VARIABLE} is no NexFlow key: one starts with {LIVE} or {TEST}."
        )
    if not all(c.isascii() and (c.isalnum() or c in "_-") for c in rest):
        raise BuildRefused(
            f"{KEY_VARIABLE} may only have letters, digits, _ and - after its prefix."
            " Is it whole, and not an example?"
        )


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
