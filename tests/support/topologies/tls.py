"""A server that speaks TLS, and wants to see a certificate of its clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from sample_origin.processes import NoServerError, free_port

from .node import NOT_PERSISTENT, Node, nodes, start
from .single import Single


class NoTlsError(Exception):
    """The server was built without it."""


@contextmanager
def tls(binary: Path) -> Iterator[Single]:
    """Raises NoTlsError."""
    with nodes() as (directory, started):
        port = free_port()
        files = _written(directory, trustme.CA())
        started.append(Node(binary, directory / "0", *_server(port, files)))
        try:
            start(started)
        except NoServerError as exc:
            raise NoTlsError(f"{binary} was built without TLS.") from exc
        yield Single(started[0], _client(port, files))


@dataclass(frozen=True)
class _Files:
    authority: str
    server: str
    client: str


def _written(directory: Path, authority: trustme.CA) -> _Files:
    """Each certificate with its key."""
    files = _Files(*(str(directory / f"{n}.pem") for n in ("ca", "server", "client")))
    authority.cert_pem.write_to_path(files.authority)
    for path in (files.server, files.client):
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(path)
    return files


def _server(port: int, files: _Files) -> tuple[str, ...]:
    return (
        *NOT_PERSISTENT,
        *("--tls-port", str(port), "--tls-auth-clients", "yes"),
        *("--tls-cert-file", files.server, "--tls-key-file", files.server),
        *("--tls-ca-cert-file", files.authority),
    )


def _client(port: int, files: _Files) -> dict[str, str | int | bool]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "ssl": True,
        "ssl_ca_certs": files.authority,
        "ssl_certfile": files.client,
        "ssl_keyfile": files.client,
    }
