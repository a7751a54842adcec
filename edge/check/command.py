"""python -m edge check: the pre-launch checklist as a program."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from ..aws.distribution import distribution_id
from ..aws.session import open_session
from ..build.bundle import Bundle, read_bundle
from ..build.environment import is_loopback
from ..build.routes_file import RoutesFile, read_routes
from ..errors import AwsTrouble, Refused
from ..runtime.routes import Route, match
from . import report
from .account import collect
from .checklist import examine
from .facts import Raw
from .probe import NotAsked, Probe, ProbeResult, Targets, path_of, probe
from .regions import all_regions
from .snapshot import Snapshot, load, parse, refusing_damage, save
from .subject import gather

PASSED, FAILED, NOT_CHECKED = 0, 1, 2

_ROUTES = Path("routes.toml")

# In front of the host. No message shows them.
_CREDENTIALS = re.compile(r"[^/?#]*//[^/?#]*@")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "check",
        help="go through the pre-launch checklist",
        description="Go through the pre-launch checklist, and through what it forgot."
        " It changes nothing.",
        epilog="Exit status: 0 when nothing failed, 1 when something did, 2 when it"
        " could not be checked. The permissions it needs, all of them to read, are in"
        " edge/check/permissions.json.",
    )
    _add_source(command)
    _add_local(command)
    _add_probes(command)
    command.add_argument("--json", action="store_true", help="for pipelines")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    del environment  # boto3 finds the credentials itself
    try:
        bundle, file = _read_local(options)
        written = file.routes if file else None
        routes = bundle.settings.routes if bundle else written or ()
        configuration = _configuration(options, routes)
        if options.save is not None:
            save(configuration, options.save)
        snapshot = parse(configuration)
        probes = _probed(options, _served_at(options, snapshot), bundle, routes)
        allows = options.allow_http_origin
        with refusing_damage(options.from_file is not None):
            findings = examine(
                gather(
                    snapshot,
                    bundle,
                    written,
                    probes,
                    file=file,
                    allows_plain_origin=allows,
                )
            )
    except (AwsTrouble, Refused) as refused:
        print(f"edge check: {refused}", file=sys.stderr)
        return NOT_CHECKED
    if options.json:
        print(report.as_json(findings, snapshot))
    else:
        for line in report.as_text(findings, snapshot, sys.stdout.encoding):
            print(line)
    return PASSED if report.passed(findings) else FAILED


def _add_source(command: argparse.ArgumentParser) -> None:
    source = command.add_argument_group("the account to check").add_argument
    which = command.add_mutually_exclusive_group(required=True).add_argument
    which(
        "--distribution-id",
        type=distribution_id,
        metavar="ID",
        help="in the account, as it is now",
    )
    which("--from-file", type=Path, metavar="FILE", help="as --save has written it")
    source("--save", type=Path, metavar="FILE", help="write what AWS said, no secrets")
    source("--profile", help="of your AWS configuration")
    source("--function-name", metavar="NAME", help="(default: the one associated)")
    source(
        "--regions",
        nargs="+",
        metavar="REGION",
        help="where to look for logs and alarms (default: everywhere)",
    )


def _add_local(command: argparse.ArgumentParser) -> None:
    local = command.add_argument_group("compared with").add_argument
    local("--bundle", type=Path, metavar="ZIP", help="the deployed bundle")
    local("--routes", type=Path, metavar="FILE", help=f"(default: {_ROUTES})")
    local(
        "--allow-http-origin",
        action="store_true",
        help="the way to the origin is private",
    )


def _add_probes(command: argparse.ArgumentParser) -> None:
    probes = command.add_argument_group("requests to send").add_argument
    probes("--no-probes", action="store_true", help="send no request")
    probes("--url", default="", help="where clients ask (default: the distribution's)")
    probes("--path", default="", help="a gated path (default: a route's own)")
    probes(
        "--payment",
        default="",
        metavar="PROOF",
        help="x402-payment of a real payment, or @file; it is spent once",
    )
    probes("--origin-url", default="", help="the origin itself, around the gate")


def _read_local(
    options: argparse.Namespace,
) -> tuple[Bundle | None, RoutesFile | None]:
    """One of the two is required: without routes, the paid paths are unknown."""
    bundle = read_bundle(options.bundle) if options.bundle else None
    file = options.routes
    if file is None and (bundle is None or _ROUTES.exists()):
        file = _ROUTES
    return bundle, read_routes(file) if file else None


def _configuration(options: argparse.Namespace, routes: Sequence[Route]) -> Raw:
    if options.from_file is not None:
        return load(options.from_file)
    session = open_session(options.profile)
    return collect(
        session,
        options.distribution_id,
        options.function_name,
        options.regions or all_regions(),
        datetime.now(UTC),
        paths=[route.path for route in routes],
    )


def _served_at(options: argparse.Namespace, snapshot: Snapshot) -> str:
    """A multi-tenant distribution answers at the domains of its tenants only."""
    is_live = options.from_file is None
    distribution = snapshot.distribution
    return distribution.domain if is_live and not distribution.is_multi_tenant else ""


def _probed(
    options: argparse.Namespace,
    domain: str,
    bundle: Bundle | None,
    routes: Sequence[Route],
) -> Mapping[Probe, ProbeResult]:
    if options.no_probes:
        return {each: NotAsked("leave out --no-probes") for each in Probe}
    url = options.url or (f"https://{domain}" if domain else "")
    for each in (url, options.origin_url):
        _check_url(each)
    if options.payment:
        _keep_secret(url)
    path = options.path or _path(routes)
    route = match(path, routes)
    if route is None:
        raise Refused(f"{path} is free: give a --path that a route gates.")
    payment = _payment(options.payment)
    return probe(Targets(route, path, url, options.origin_url, payment, bundle))


def _check_url(url: str) -> None:
    if _CREDENTIALS.match(url):
        raise Refused(
            "--url and --origin-url take no name and no password: remove them."
        )
    if url and not _is_url(url):
        raise Refused(f"{url} is no URL. Give one such as https://example.org.")


def _keep_secret(url: str) -> None:
    """Anybody who reads a payment on the way can use it."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return
    if not is_loopback(parts.hostname or ""):
        raise Refused(
            f"{url} is not https: anybody on the way could read the payment."
            " Give an https:// URL, or leave out --payment."
        )
    print(f"warning: the payment goes to {url}, in the clear", file=sys.stderr)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_port = parts.port != 0  # raises for what is no number
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and is_port and all("!" <= character <= "~" for character in text)


def _path(routes: Sequence[Route]) -> str:
    """A literal route's, if there is one: below /x/* there may be nothing."""
    literal = [route for route in routes if not route.path.endswith("/*")]
    return path_of((literal or routes)[0])


def _payment(text: str) -> str:
    """No message shows it: it is worth money."""
    if not text.startswith("@"):
        return _for_a_header(text, "--payment")
    try:
        payment = Path(text[1:]).read_text(encoding="ascii").strip()
        if not payment:
            raise ValueError
    except (OSError, ValueError) as wrong:
        raise Refused(
            f"{text[1:]} has no payment that can be read. Put the value of the"
            " x402-payment header into it, on one line."
        ) from wrong
    return _for_a_header(payment, text[1:])


def _for_a_header(payment: str, where: str) -> str:
    if not (payment.isascii() and payment.isprintable()):
        raise Refused(
            f"{where} has a line break in it, or another character that no header may"
            " have. Give the value of the x402-payment header, on one line."
        )
    return payment
