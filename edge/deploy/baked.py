"""What is inside the bundles that are deployed, and what must not be deployed."""

from collections.abc import Iterator
from typing import NamedTuple

from ..build.bundle import DAMAGED, Bundle, document
from ..build.environment import (
    PUBLIC_URL,
    TEST,
    TEST_KEY_REFUSED,
    URL_VARIABLE,
    is_loopback,
)
from ..runtime.signature import SigningKey


class Baked(NamedTuple):
    """What of the settings in a bundle matters to a rotation."""

    api_key: str
    signing: tuple[SigningKey, ...]
    """The first one signs, all are recognised."""
    paths: frozenset[str]

    def __repr__(self) -> str:
        """Without a secret, wherever it may be printed."""
        return f"Baked({self.signing})"


def baked(bundle: Bundle) -> Baked:
    settings = bundle.settings
    return Baked(settings.api_key, settings.signing, frozenset(bundle.paths))


def baked_into(content: bytes) -> Baked | None:
    """Also for bundles of other versions of this project; None for what is none."""
    try:
        found = document(content)
        signing = (
            SigningKey(str(key["keyId"]), str(key["secret"]).encode())
            for key in found.get("signing", [])
        )
        paths = frozenset(str(route["path"]) for route in found["routes"])
        return Baked(str(found["apiKey"]), tuple(signing), paths)
    except (TypeError, AttributeError, *DAMAGED):
        return None


def objections(bundle: Bundle, allow_test_key: bool) -> Iterator[str]:
    """What is fine in a bundle and would be wrong on the internet."""
    if is_loopback(bundle.settings.facilitator.host):
        yield (
            "the facilitator is this machine, which nobody can reach from the edge."
            f" Build with {URL_VARIABLE}={PUBLIC_URL}."
        )
    if bundle.settings.api_key.startswith(TEST) and not allow_test_key:
        yield TEST_KEY_REFUSED
