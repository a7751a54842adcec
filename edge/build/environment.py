"""Reads the environment of a build, or says what to change there.

Lambda@Edge has no environment variables, so all of it is baked into the bundle.

The secrets by which the gate signs are also the origin's. A second one is accepted,
because while one version of the gate replaces another, either may sign and either may
check.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from string import hexdigits
from typing import NamedTuple

from ..errors import Refused
from ..runtime.settings import Settings, SettingsError, endpoint
from ..runtime.signature import SigningKey
from ..runtime.x402.terms import Auth

X402_URL = "X402_FACILITATOR_URL"
X402_EXAMPLE = "https://x402.org/facilitator"
BEARER = "X402_BEARER_TOKEN"
CDP = ("CDP_API_KEY_ID", "CDP_API_KEY_SECRET")
_CDP_SECRET = 64

URL_VARIABLE = "NEXFLOW_FACILITATOR_URL"
KEY_VARIABLE = "NEXFLOW_API_KEY"
PUBLIC_URL = "https://api.nexflowapp.app/api/v1/facilitator/x402"

LIVE, TEST = "nf_live_", "nf_test_"

TEST_KEY_REFUSED = (
    f"{KEY_VARIABLE} is a test key, with which stub proofs pass as payments."
    f" Set it to an {LIVE} key, or say --allow-test-key if that is what you want."
)

SIGNING = ("EDGE_SIGNING_SECRET", "EDGE_SIGNING_KEY_ID")
ACCEPTED = ("EDGE_SIGNING_ACCEPTED_SECRET", "EDGE_SIGNING_ACCEPTED_KEY_ID")

NO_SIGNING = (
    f"{SIGNING[0]} is not set: the gate does not sign, and anybody who can reach the"
    " origin can make up a payment. Set it to the output of `openssl rand -hex 32`,"
    f" {SIGNING[1]} to a name for it, and give both to the origin."
)

# For how long the origin keeps a record, in seconds, unless its policy says otherwise.
RETENTION = 24 * 3600

# HMAC-SHA256 can use this much, and the origin requires it.
SHORTEST = 32
# Random text of that length has more different characters, a key held down has one.
_FEWEST_DIFFERENT = 5

_ID_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
)
_LONGEST_ID = 64


# RFC 1123, plus the underscore, which some names have anyway.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# RFC 3986, section 3.3.
_PATH = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_CALLS = ("verify", "settle", "supported")


class Secrets(NamedTuple):
    url: str
    key: str
    signing: tuple[SigningKey, ...] = ()
    """The first one signs; the gate recognises all of them as its own."""
    auth: Auth = "none"
    """How the gate shows itself to a standard facilitator."""
    key_id: str = ""
    """Of CDP's key."""

    def __repr__(self) -> str:
        return f"Secrets({self.url})"


def read_environment(environment: Mapping[str, str]) -> Secrets:
    """Raises Refused."""
    url, key = environment.get(URL_VARIABLE, ""), environment.get(KEY_VARIABLE, "")
    if not url:
        raise Refused(f"{URL_VARIABLE} is not set. Set it, e.g. to {PUBLIC_URL}.")
    if not key:
        raise Refused(f"{KEY_VARIABLE} is not set. Set it to your API key.")
    _check_url(url)
    _check_key(key)
    return Secrets(url, key, _signing_keys(environment))


def read_x402_environment(environment: Mapping[str, str], auth: Auth) -> Secrets:
    """For a standard facilitator. Raises Refused."""
    url = environment.get(X402_URL, "")
    if not url:
        raise Refused(f"{X402_URL} is not set. Set it, e.g. to {X402_EXAMPLE}.")
    _check_url(url, X402_URL, X402_EXAMPLE)
    signing = _signing_keys(environment)
    if not signing:
        raise Refused(
            f"{SIGNING[0]} is not set, and before a standard facilitator the gate must"
            " sign: everybody can compute the id of a payment. Set it to the output of"
            f" `openssl rand -hex 32`, {SIGNING[1]} to a name for it, and give both to"
            " the origin."
        )
    key = key_id = ""
    if auth == "bearer":
        key = _token(environment, BEARER)
    elif auth == "cdp":
        key_id, key = _token(environment, CDP[0]), _token(environment, CDP[1])
        _check_cdp_secret(key)
    return Secrets(url, key, signing, auth, key_id)


def _token(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "")
    if not value:
        raise Refused(f"{variable} is not set, and auth in routes.toml asks for it.")
    if not all("!" <= character <= "~" for character in value):
        raise Refused(f"{variable} has a character that no header can carry.")
    return value


def _check_cdp_secret(secret: str) -> None:
    try:
        size = len(b64decode(secret, validate=True))
    except ValueError:
        size = 0
    if size != _CDP_SECRET:
        raise Refused(
            f"{CDP[1]} is not an Ed25519 key from CDP: {_CDP_SECRET} bytes in base64."
            " Make one in the CDP portal, with the signature algorithm Ed25519."
        )


def refuse_test_key(secrets: Secrets) -> None:
    """Raises Refused for what would give away what is sold. A facilitator on this
    machine sells nothing."""
    if secrets.key.startswith(TEST) and not is_loopback(endpoint(secrets.url).host):
        raise Refused(TEST_KEY_REFUSED)


def warnings(settings: Settings) -> Iterator[str]:
    if settings.api_key.startswith(TEST):
        yield (
            f"{KEY_VARIABLE} is a test key: stub proofs will be accepted as payment."
            f" Build with an {LIVE} key before you deploy."
        )
    where = out_of_reach(settings.facilitator.host)
    if where:
        variable = url_variable(settings)
        yield f"{variable} is {where}, which the edge cannot connect to."
    if not settings.signing:
        yield NO_SIGNING
    if settings.x402 is None and settings.lifetime.longest >= RETENTION:
        yield (
            "longest_intent is a day or more, and the origin keeps a record for a day:"
            " after that the same payment buys another execution. Choose less, or give"
            " the origin a Policy(retention=...) that is longer than longest_intent."
        )
    for key in filter(_is_guessable, settings.signing):
        yield (
            f"the secret {key.id} says the same again and again, so it can be guessed."
            " Make one with `openssl rand -hex 32`."
        )


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def out_of_reach(host: str) -> str | None:
    """What it is instead of a host on the internet, where the gate runs."""
    if is_loopback(host):
        return "this machine"
    try:
        return None if ip_address(host).is_global else "a private address"
    except ValueError:
        return None


def url_variable(settings: Settings) -> str:
    return URL_VARIABLE if settings.x402 is None else X402_URL


def _check_url(
    url: str, variable: str = URL_VARIABLE, example: str = PUBLIC_URL
) -> None:
    if url.startswith((LIVE, TEST)):
        raise Refused(
            f"{variable} is an API key. That belongs in {KEY_VARIABLE}; set this"
            f" to the facilitator's URL, e.g. {example}."
        )
    if any(character <= " " or character == "\x7f" for character in url):
        raise Refused(f"{variable} has a space or a control in it. Remove it.")
    try:
        parts = endpoint(url)
    except SettingsError as wrong:
        raise Refused(f"{variable}: {wrong}. An example: {example}") from wrong
    _check_host(parts.host, variable)
    if parts.authority.endswith(":"):
        raise Refused(f"{variable} has a colon and no port. Remove the colon.")
    if not url.isascii():
        raise Refused(
            f"{variable} has a character in its path that is not ASCII."
            " Percent-encode it."
        )
    if not _PATH.fullmatch(parts.path):
        raise Refused(
            f"{variable} has a character in its path that no URL has there."
            " Remove it, or percent-encode it."
        )
    if {".", ".."} & set(parts.path.split("/")):
        raise Refused(f"{variable} has dot segments in its path. Resolve them.")
    call = parts.path.rpartition("/")[2]
    if call.lower() in _CALLS:
        raise Refused(
            f"{variable} ends in /{call}, which the gate adds itself."
            f" Remove it: {url.rstrip('/').removesuffix('/' + call)}"
        )
    if not parts.secure and not is_loopback(parts.host):
        raise Refused(
            f"{variable} is http://, which shows your API key to everybody on the"
            " way. Use https://; only a facilitator on this machine may do without."
        )


def _check_host(host: str, variable: str) -> None:
    try:
        name = host.encode("idna").decode()
    except UnicodeError as wrong:
        raise Refused(f"{variable}: no host has such a name.") from wrong
    if not host.isascii():
        raise Refused(
            f'{variable} names a host in another script than ASCII. Write "{name}".'
        )
    if not _is_host(host):
        raise Refused(
            f'{variable}: no host has such a name as "{host}". A name is letters,'
            " digits and hyphens between dots, and no part begins or ends with a"
            " hyphen."
        )


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        parts = host.split(".")
        # An address with a part too many, or too few, is no name either.
        return all(map(_LABEL.fullmatch, parts)) and not parts[-1].isdecimal()
    return True


def _check_key(key: str) -> None:
    if key != key.strip():
        raise Refused(
            f"{KEY_VARIABLE} has white space around it, such as the end of a line."
            " Remove it."
        )
    prefix, rest = key[: len(LIVE)], key[len(LIVE) :]
    if prefix not in (LIVE, TEST) or not rest:
        raise Refused(
            f"{KEY_VARIABLE} is not a NexFlow key, which starts with {LIVE} or {TEST}."
        )
    if not all(c.isascii() and (c.isalnum() or c in "_-") for c in rest):
        raise Refused(
            f"{KEY_VARIABLE} may only have letters, digits, _ and - after its prefix."
            " Is it whole, and not an example?"
        )


def _signing_keys(environment: Mapping[str, str]) -> tuple[SigningKey, ...]:
    """No key, the one that signs, or that and one more that is accepted.

    No message repeats a secret."""
    signing = _signing_key(environment, SIGNING)
    accepted = _signing_key(environment, ACCEPTED)
    if accepted is None:
        return (signing,) if signing else ()
    if signing is None:
        raise Refused(
            f"{ACCEPTED[0]} is set, and {SIGNING[0]} is not. Set the one that signs."
        )
    if signing.id == accepted.id:
        raise Refused(
            f"{ACCEPTED[1]} is the same as {SIGNING[1]}. A new secret needs a new name."
        )
    if signing.secret == accepted.secret:
        raise Refused(
            f"{ACCEPTED[0]} is the same as {SIGNING[0]}: nothing would be rotated."
            " Set one of them to the other secret."
        )
    return (signing, accepted)


def _signing_key(
    environment: Mapping[str, str], variables: tuple[str, str]
) -> SigningKey | None:
    secret, key_id = (environment.get(name, "") for name in variables)
    if not secret and not key_id:
        return None
    if not secret:
        raise Refused(
            f"{variables[1]} is set, and {variables[0]} is not. Set both, or neither."
        )
    if not key_id:
        raise Refused(
            f"{variables[0]} is set, and {variables[1]} is not. Set both, or neither;"
            ' a key id is a name of yours for the secret, such as "2026-02".'
        )
    _check_key_id(variables[1], key_id)
    _check_secret(variables[0], secret)
    return SigningKey(key_id, secret.encode())


def _check_key_id(variable: str, key_id: str) -> None:
    if len(key_id) > _LONGEST_ID or not set(key_id) <= _ID_CHARACTERS:
        raise Refused(
            f"{variable} must be 1 to {_LONGEST_ID} letters, digits, dots, _ and -."
            ' Name the secret by when it was made, such as "2026-02".'
        )
    if key_id.startswith("nf_") or _is_hex(key_id):
        raise Refused(
            f"{variable} looks like a secret, and a name is public: it is in every"
            " request to the origin. Name the secret by when it was made, such as"
            ' "2026-02".'
        )


def _check_secret(variable: str, secret: str) -> None:
    fault = _fault_of(secret)
    if fault:
        raise Refused(f"{variable} {fault}. Make one with `openssl rand -hex 32`.")


def _is_hex(text: str) -> bool:
    """As long as the output of openssl: the two variables are mixed up."""
    return len(text) >= SHORTEST and set(text.lower()) <= set(hexdigits)


def _fault_of(secret: str) -> str | None:
    if secret.startswith("nf_"):
        return "is an API key, which the origin has no need to know"
    if secret != secret.strip():
        return "has white space around it"
    if not (secret.isascii() and secret.isprintable()):
        return "has a character in it that is not printable ASCII"
    if len(secret) < SHORTEST:
        return f"has {len(secret)} characters and needs {SHORTEST}"
    return None


def _is_guessable(key: SigningKey) -> bool:
    return len(set(key.secret)) < _FEWEST_DIFFERENT
