"""Builds the bundle: the run-time files and the settings, in one reproducible zip."""

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from .routes_file import RoutesFile
from .settings import SettingsError, endpoint, parse

URL_VARIABLE = "NEXFLOW_FACILITATOR_URL"
KEY_VARIABLE = "NEXFLOW_API_KEY"
PUBLIC_URL = "https://api.nexflowapp.app/api/v1/facilitator/x402"

# What runs at the edge. The tools stay out: a bundle that is smaller starts sooner.
RUNTIME = (
    "__init__.py",
    "channel.py",
    "cloudfront.py",
    "delivered.py",
    "facilitator.py",
    "gate.py",
    "handler.py",
    "instant.py",
    "intent.py",
    "log.py",
    "refusal.py",
    "routes.py",
    "settings.py",
)

# AWS loads `handler.handler` from the root, where relative imports have no package
# to be relative to. So the files keep their package, and this one points into it:
# what runs at the edge is byte for byte what the tests import.
ENTRY = '''\
"""The name that AWS calls: handler.handler. Everything else is in the package."""

from edge.handler import bundled

handler = bundled()
'''

# The zip format cannot say anything earlier, and a real time would change the digest.
_THE_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_LAMBDA = 0o100644 << 16


class BuildRefused(Exception):
    """The message says what to set or to change."""


class Secrets(NamedTuple):
    """What the environment gives to a build."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"Secrets({self.url})"


class Bundle(NamedTuple):
    content: bytes
    files: tuple[tuple[str, int], ...]

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()


def read_environment(environment: Mapping[str, str]) -> Secrets:
    url, key = environment.get(URL_VARIABLE, ""), environment.get(KEY_VARIABLE, "")
    if not url:
        raise BuildRefused(f"{URL_VARIABLE} is not set. Set it, e.g. to {PUBLIC_URL}.")
    if not key:
        raise BuildRefused(f"{KEY_VARIABLE} is not set. Set it to your API key.")
    _check_url(url)
    _check_key(key)
    return Secrets(url, key)


def warnings(secrets: Secrets) -> Iterator[str]:
    if secrets.key.startswith("nf_test_"):
        yield (
            f"{KEY_VARIABLE} is a test key: stub proofs will be accepted as payment."
            " Build with an nf_live_ key before you deploy."
        )
    if _is_loopback(endpoint(secrets.url).host):
        yield f"{URL_VARIABLE} is this machine: nobody can reach it from the edge."


def build(secrets: Secrets, file: RoutesFile) -> Bundle:
    here = Path(__file__).parent
    files = {f"edge/{name}": (here / name).read_bytes() for name in RUNTIME}
    files["edge/settings.json"] = _settings(secrets, file)
    files["handler.py"] = ENTRY.encode()
    return Bundle(
        _zipped(files), tuple((name, len(files[name])) for name in sorted(files))
    )


def write(bundle: Bundle, output: Path) -> None:
    """All of it or nothing: an upload must never find half a zip."""
    try:
        handle, name = tempfile.mkstemp(
            dir=output.parent, prefix=output.name, suffix="~"
        )
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(bundle.content)
            temporary.replace(output)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as failure:
        raise BuildRefused(
            f"{output} cannot be written: {failure.strerror}."
            " Name another with --output."
        ) from failure


def _settings(secrets: Secrets, file: RoutesFile) -> bytes:
    document = {
        "facilitatorUrl": secrets.url,
        "apiKey": secrets.key,
        "settle": file.settle,
        "routes": [
            {
                "path": route.path,
                "network": route.network,
                "resourceId": route.resource_id,
            }
            for route in file.routes
        ],
    }
    parse(document)  # what the bundle could not read must not be built
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _THE_EPOCH_OF_ZIP)
            info.create_system = 3  # Unix, wherever it was built
            info.external_attr = _READABLE_BY_LAMBDA
            archive.writestr(info, files[name], zipfile.ZIP_DEFLATED, 9)
    return stream.getvalue()


def _check_url(url: str) -> None:
    if not all("!" <= character <= "~" for character in url):
        raise BuildRefused(f"{URL_VARIABLE} has a space or a control in it. Remove it.")
    try:
        parts = endpoint(url)
    except SettingsError as wrong:
        raise BuildRefused(
            f"{URL_VARIABLE}: {wrong}. An example: {PUBLIC_URL}"
        ) from wrong
    try:
        parts.host.encode("idna")
    except UnicodeError as wrong:
        raise BuildRefused(f"{URL_VARIABLE}: no host has such a name.") from wrong
    if not parts.secure and not _is_loopback(parts.host):
        raise BuildRefused(
            f"{URL_VARIABLE} is http://, which shows your API key to everybody on the"
            " way. Use https://; only a facilitator on this machine may do without."
        )


def _check_key(key: str) -> None:
    prefix, rest = key[:8], key[8:]
    if prefix not in ("nf_live_", "nf_test_") or not rest:
        raise BuildRefused(
            f"{KEY_VARIABLE} is no NexFlow key: one starts with nf_live_ or nf_test_."
        )
    if not all(c.isascii() and (c.isalnum() or c in "_-") for c in rest):
        raise BuildRefused(
            f"{KEY_VARIABLE} may only have letters, digits, _ and - after its prefix."
            " Is it whole, and not an example?"
        )


def _is_loopback(host: str) -> bool:
    return host in ("127.0.0.1", "::1", "localhost")
