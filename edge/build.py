"""Builds the bundle: the run-time files and the settings, in one reproducible zip."""

import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from .environment import Secrets
from .refused import BuildRefused
from .routes_file import RoutesFile
from .settings import parse
from .whole_file import write_whole

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
    "mishap.py",
    "refusal.py",
    "routes.py",
    "settings.py",
    "settlement.py",
    "signature.py",
    "typed.py",
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


class Bundle(NamedTuple):
    content: bytes
    files: tuple[tuple[str, int], ...]

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()


def build(secrets: Secrets, file: RoutesFile) -> Bundle:
    here = Path(__file__).parent
    files = {f"edge/{name}": (here / name).read_bytes() for name in RUNTIME}
    files["edge/settings.json"] = _settings(secrets, file)
    files["handler.py"] = ENTRY.encode()
    return Bundle(
        _zipped(files), tuple((name, len(files[name])) for name in sorted(files))
    )


def write(bundle: Bundle, output: Path) -> None:
    """Raises BuildRefused."""
    try:
        write_whole(bundle.content, output)
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
        "signing": [
            {"keyId": key.id, "secret": key.secret.decode("ascii")}
            for key in secrets.signing
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
