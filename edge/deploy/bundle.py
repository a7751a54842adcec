"""The bundle to deploy, and what is inside those that are deployed already."""

import json
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from typing import Any, NamedTuple

from ..environment import KEY_VARIABLE, LIVE, PUBLIC_URL, TEST, URL_VARIABLE
from ..settings import Settings, SettingsError, parse
from ..signature import SigningKey

_SETTINGS = "edge/settings.json"
_NOT_OURS = "is no bundle of this version. Build it again with python -m edge build."
_LOOPBACK = ("127.", "::1", "localhost")


class BundleRefused(Exception):
    """The message says what to do."""


class Baked(NamedTuple):
    """What of the settings in a bundle matters to a rotation."""

    api_key: str
    signing: tuple[SigningKey, ...]
    """The first one signs, all are recognised."""
    paths: frozenset[str]

    def __repr__(self) -> str:
        """Without a secret, wherever it may be printed."""
        return f"Baked({self.signing})"


class Bundle(NamedTuple):
    content: bytes
    settings: Settings

    @property
    def code(self) -> str:
        """The digest as AWS shows it: CodeSha256."""
        return b64encode(sha256(self.content).digest()).decode()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(route.path for route in self.settings.routes)

    @property
    def baked(self) -> Baked:
        settings = self.settings
        return Baked(settings.api_key, settings.signing, frozenset(self.paths))


def opened(content: bytes) -> Bundle:
    try:
        return Bundle(content, parse(_document(content)))
    except (SettingsError, ValueError, KeyError, zipfile.BadZipFile) as wrong:
        raise BundleRefused(_NOT_OURS) from wrong


def baked_into(content: bytes) -> Baked | None:
    """Also for bundles of other versions of this project; None for what is none."""
    try:
        document = _document(content)
        signing = (
            SigningKey(str(key["keyId"]), str(key["secret"]).encode())
            for key in document.get("signing", [])
        )
        paths = frozenset(str(route["path"]) for route in document["routes"])
        return Baked(str(document["apiKey"]), tuple(signing), paths)
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return None


def objections(bundle: Bundle, allow_test_key: bool) -> Iterator[str]:
    """What is fine in a bundle and would be wrong on the internet."""
    if bundle.settings.facilitator.host.startswith(_LOOPBACK):
        yield (
            "the facilitator is this machine, which nobody can reach from the edge."
            f" Build with {URL_VARIABLE}={PUBLIC_URL}."
        )
    if bundle.settings.api_key.startswith(TEST) and not allow_test_key:
        yield (
            f"{KEY_VARIABLE} is a test key, with which stub proofs pass as payments."
            f" Set it to an {LIVE} key, or say --allow-test-key if that is what you"
            " want."
        )


def _document(content: bytes) -> Any:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        archive.getinfo("handler.py")
        return json.loads(archive.read(_SETTINGS))
