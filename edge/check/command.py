"""python -m edge check: the pre-launch checklist as a program."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from ..aws.session import open_session
from ..build.bundle import Bundle, read_bundle
from ..build.routes_file import read_routes
from ..errors import AwsTrouble, Refused
from ..runtime.routes import Route
from . import report, saved
from .checklist import examine
from .evidence import gather
from .facts.unread import Answer
from .live import collect
from .options import ROUTES, add_local, add_probes, add_source
from .probing import CheckRefused, probed
from .regions import all_regions

PASSED, FAILED, NOT_CHECKED = 0, 1, 2


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
    add_source(command)
    add_local(command)
    add_probes(command)
    command.add_argument("--json", action="store_true", help="for pipelines")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    del environment  # credentials are boto3's affair
    try:
        bundle, written = _read_local(options)
        answers = _answers(options)
        if options.save is not None:
            saved.save(answers, options.save)
        snapshot = saved.read(answers)
        routes = bundle.settings.routes if bundle else written or ()
        probes = probed(options, snapshot, bundle, routes)
        allows = options.allow_http_origin
        with saved.damage_is_said(options.from_file is not None):
            findings = examine(
                gather(snapshot, bundle, written, probes, allows_plain_origin=allows)
            )
    except (AwsTrouble, CheckRefused, Refused, saved.SavedRefused) as refused:
        print(f"edge check: {refused}", file=sys.stderr)
        return NOT_CHECKED
    if options.json:
        print(report.as_json(findings, snapshot))
    else:
        for line in report.as_text(findings, snapshot, sys.stdout.encoding):
            print(line)
    return PASSED if report.passed(findings) else FAILED


def _read_local(
    options: argparse.Namespace,
) -> tuple[Bundle | None, tuple[Route, ...] | None]:
    """Without routes nobody knows what is paid for, so one of both has to be there."""
    bundle = read_bundle(options.bundle) if options.bundle else None
    file = options.routes
    if file is None and (bundle is None or ROUTES.exists()):
        file = ROUTES
    return bundle, read_routes(file).routes if file else None


def _answers(options: argparse.Namespace) -> Answer:
    if options.from_file is not None:
        return saved.load(options.from_file)
    session = open_session(options.profile)
    return collect(
        session,
        options.distribution_id,
        options.function_name,
        options.regions or all_regions(),
        datetime.now(UTC),
    )
