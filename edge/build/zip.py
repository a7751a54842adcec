"""Makes the bundle: a zip of the code in `edge/runtime` and of the settings.

The same inputs give the same bytes.
"""

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import Refused
from ..runtime.settings import parse
from .bundle import DAMAGED, ENTRY, PACKAGE, SETTINGS, Bundle
from .environment import Secrets
from .routes_file import RoutesFile
from .source import lean
from .x402_file import X402File

RUNTIME = Path(__file__).parent.parent / "runtime"

# AWS loads `handler.handler` from the root, where relative imports have no package
# to be relative to. So the files keep a package, and this one points into it.
_ENTRY_CODE = f'''\
"""The name that AWS calls: handler.handler. Everything else is in the package."""

from {PACKAGE}.handler import bundled

handler = bundled()
'''

# The zip format cannot say anything earlier, and a real time would change the digest.
_THE_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_LAMBDA = 0o100644 << 16


def build(secrets: Secrets, routes: RoutesFile) -> Bundle:
    document = _document(secrets, routes)
    settings = parse(
        document
    )  # do not build a bundle that cannot read its own settings
    baked = json.dumps(document, indent=1, sort_keys=True).encode()
    code = _code(settings.x402 is not None)
    return Bundle(_zipped(code | {SETTINGS: baked}), settings)


def changed(bundle: Bundle) -> list[str]:
    """The files, besides the settings, that are not as this checkout writes them."""
    with zipfile.ZipFile(BytesIO(bundle.content)) as archive:
        found = [(each.filename, _read(archive, each)) for each in archive.filelist]
    expected = _code(bundle.settings.x402 is not None)
    odd = {name for name, content in found if expected.get(name) != content}
    names = [name for name, _ in found]
    missing = expected.keys() - set(names)
    twice = {name for name in names if names.count(name) > 1}
    return sorted((odd - {SETTINGS}) | missing | twice)


def write(bundle: Bundle, output: Path) -> None:
    """Raises Refused."""
    try:
        write_whole(bundle.content, output)
    except OSError as failure:
        raise Refused(
            f"{output} cannot be written: {failure.strerror}."
            " Name another with --output."
        ) from failure


def write_whole(content: bytes, file: Path) -> None:
    """Writes a whole file or nothing: half a zip must never be found.

    Readable by its owner only, because it may contain secrets. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix="~")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.replace(file)
    except BaseException:  # an interruption, too, leaves nothing behind
        temporary.unlink(missing_ok=True)
        raise


def _read(archive: zipfile.ZipFile, file: zipfile.ZipInfo) -> bytes | None:
    try:
        return archive.read(file)
    except DAMAGED:
        return None


def _code(x402: bool) -> dict[str, bytes]:
    """By name in the zip: what speaks to NexFlow, or to a standard facilitator."""
    code = {*RUNTIME.glob("*.py")}
    if x402:
        code |= {*RUNTIME.glob("x402/*.py")}
        code.remove(RUNTIME / "nexflow.py")
    files = {
        f"{PACKAGE}/{file.relative_to(RUNTIME).as_posix()}": lean(
            file.read_text(encoding="utf-8")
        ).encode()
        for file in code
    }
    return files | {ENTRY: _ENTRY_CODE.encode()}


def _document(secrets: Secrets, routes: RoutesFile) -> dict[str, Any]:
    document = _common(secrets, routes)
    if routes.x402 is not None:
        document["x402"] = _x402(secrets, routes.x402)
    return document


def _x402(secrets: Secrets, file: X402File) -> dict[str, Any]:
    return {
        "auth": file.auth,
        "keyId": secrets.key_id,
        "settleUnknown": file.unknown,
        "used": file.used,
        "offers": {
            path: {
                "accepts": [each._asdict() for each in offer.accepts],
                "resource": offer.resource,
                "identifier": offer.identifier,
            }
            for path, offer in file.offers.items()
        },
    }


def _common(secrets: Secrets, routes: RoutesFile) -> dict[str, Any]:
    return {
        "facilitatorUrl": secrets.url,
        "apiKey": secrets.key,
        "settle": routes.settle,
        "refused": routes.refused,
        "shortestIntent": routes.lifetime.shortest,
        "longestIntent": routes.lifetime.longest,
        "allowedOrigins": list(routes.allowed_origins),
        "routes": [
            {
                "path": route.path,
                "network": route.network,
                "resourceId": route.resource_id,
            }
            for route in routes.routes
        ],
        "signing": [
            {"keyId": key.id, "secret": key.secret.decode("ascii")}
            for key in secrets.signing
        ],
    }


def _zipped(files: Mapping[str, bytes]) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _THE_EPOCH_OF_ZIP)
            info.create_system = 3  # Unix, wherever it was built
            info.external_attr = _READABLE_BY_LAMBDA
            archive.writestr(info, files[name], zipfile.ZIP_DEFLATED, 9)
    return stream.getvalue()
