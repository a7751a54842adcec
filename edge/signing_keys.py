"""The secrets by which the gate signs, from the environment of a build.

The same characters, as bytes, are the origin's: `Policy(secrets={key_id: secret})`.

To rotate without a payment that goes unsettled, deploy three times, because while a
version of the gate replaces another, either of them may sign and either may check:
first with the next key as the accepted one, then with it as the signing one and the
last one accepted, then without. The origin knows both keys meanwhile.
"""

from collections.abc import Mapping
from string import hexdigits

from .refused import BuildRefused
from .signature import SigningKey

SIGNING = ("EDGE_SIGNING_SECRET", "EDGE_SIGNING_KEY_ID")
ACCEPTED = ("EDGE_SIGNING_ACCEPTED_SECRET", "EDGE_SIGNING_ACCEPTED_KEY_ID")

NO_SIGNING = (
    f"{SIGNING[0]} is not set: the gate does not sign, and whoever can reach the"
    " origin can make up a payment. Set it to the output of `openssl rand -hex 32`,"
    f" {SIGNING[1]} to a name for it, and give both to the origin."
)

# What HMAC-SHA256 can use, and what the origin asks for.
SHORTEST = 32
# Random text of that length has more different characters, a key held down has one.
_FEWEST_DIFFERENT = 5

_ID_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
)
_LONGEST_ID = 64


def is_guessable(key: SigningKey) -> bool:
    return len(set(key.secret)) < _FEWEST_DIFFERENT


def read_signing_keys(environment: Mapping[str, str]) -> tuple[SigningKey, ...]:
    """None, the one that signs, or that and one more that is accepted.

    Raises BuildRefused; no message repeats a secret."""
    signing, accepted = _key(environment, SIGNING), _key(environment, ACCEPTED)
    if accepted is None:
        return (signing,) if signing else ()
    if signing is None:
        raise BuildRefused(
            f"{ACCEPTED[0]} is set, and {SIGNING[0]} is not. Set the one that signs."
        )
    if signing.id == accepted.id:
        raise BuildRefused(
            f"{ACCEPTED[1]} is the same as {SIGNING[1]}. A new secret needs a new name."
        )
    if signing.secret == accepted.secret:
        raise BuildRefused(
            f"{ACCEPTED[0]} is the same as {SIGNING[0]}: nothing would be rotated."
            " Set one of them to the other secret."
        )
    return (signing, accepted)


def _key(
    environment: Mapping[str, str], variables: tuple[str, str]
) -> SigningKey | None:
    secret, key_id = (environment.get(name, "") for name in variables)
    if not secret and not key_id:
        return None
    if not secret:
        raise BuildRefused(
            f"{variables[1]} is set, and {variables[0]} is not. Set both, or neither."
        )
    if not key_id:
        raise BuildRefused(
            f"{variables[0]} is set, and {variables[1]} is not. Set both, or neither;"
            ' a key id is a name of yours for the secret, such as "2026-02".'
        )
    _check_id(variables[1], key_id)
    _check_secret(variables[0], secret)
    return SigningKey(key_id, secret.encode())


def _check_id(variable: str, key_id: str) -> None:
    if len(key_id) > _LONGEST_ID or not set(key_id) <= _ID_CHARACTERS:
        raise BuildRefused(
            f"{variable} must be 1 to {_LONGEST_ID} letters, digits, dots, _ and -."
            ' Name the secret by when it was made, such as "2026-02".'
        )
    if key_id.startswith("nf_") or _is_hex(key_id):
        raise BuildRefused(
            f"{variable} looks like a secret, and a name is public: it is in every"
            " request to the origin. Name the secret by when it was made, such as"
            ' "2026-02".'
        )


def _check_secret(variable: str, secret: str) -> None:
    fault = _fault(secret)
    if fault:
        raise BuildRefused(f"{variable} {fault}. Make one with `openssl rand -hex 32`.")


def _is_hex(text: str) -> bool:
    """As long as what openssl makes: somebody has mixed up the two."""
    return len(text) >= SHORTEST and set(text.lower()) <= set(hexdigits)


def _fault(secret: str) -> str | None:
    if secret.startswith("nf_"):
        return "is an API key, which the origin has no need to know"
    if secret != secret.strip():
        return "has white space around it"
    if not (secret.isascii() and secret.isprintable()):
        return "has a character in it that is not printable ASCII"
    if len(secret) < SHORTEST:
        return f"has {len(secret)} characters and needs {SHORTEST}"
    return None
