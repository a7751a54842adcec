"""Which requests are tried, from what the command line gives."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..build.bundle import Bundle
from ..runtime.routes import Route, match
from .facts.snapshot import Snapshot
from .probe import NotAsked, Probe, ProbeResult, Targets, path_of, probe


class CheckRefused(Exception):
    """Nothing was checked. The message says what to give."""


def probed(
    options: argparse.Namespace,
    snapshot: Snapshot,
    bundle: Bundle | None,
    routes: Sequence[Route],
) -> Mapping[Probe, ProbeResult]:
    if options.no_probes:
        return {each: NotAsked("leave out --no-probes") for each in Probe}
    is_live = options.from_file is None
    default = f"https://{snapshot.distribution.domain}" if is_live else ""
    url = options.url or default
    for each in (url, options.origin_url):
        _check_url(each)
    path = options.path or _path(routes)
    route = match(path, routes)
    if route is None:
        raise CheckRefused(f"{path} is free: give a --path that a route gates.")
    payment = _payment(options.payment)
    return probe(Targets(route, path, url, options.origin_url, payment, bundle))


def _path(routes: Sequence[Route]) -> str:
    """Of a literal route rather: whether there is anything below /x/* nobody knows."""
    literal = [route for route in routes if not route.path.endswith("/*")]
    return path_of((literal or routes)[0])


def _check_url(url: str) -> None:
    if url and not _is_url(url):
        raise CheckRefused(f"{url} is no URL. Give one such as https://example.org.")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_port = parts.port != 0  # raises for what is no number
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and is_port and all("!" <= character <= "~" for character in text)


def _payment(text: str) -> str:
    """No message shows it: it is worth money."""
    if not text.startswith("@"):
        return _for_a_header(text, "--payment")
    try:
        payment = Path(text[1:]).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        raise CheckRefused(
            f"{text[1:]} has no payment that can be read. Put the value of the"
            " x402-payment header into it, on one line."
        ) from wrong
    return _for_a_header(payment, text[1:])


def _for_a_header(payment: str, where: str) -> str:
    if not (payment.isascii() and payment.isprintable()):
        raise CheckRefused(
            f"{where} has a line break in it, or another character that no header may"
            " have. Give the value of the x402-payment header, on one line."
        )
    return payment
