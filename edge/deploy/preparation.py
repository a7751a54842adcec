"""What deploy and rotate do before and after: the bundle, the account, the result."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from ..build.bundle import Bundle, read_bundle
from ..build.environment import read_environment, refuse_test_key, warnings
from ..build.routes_file import read_routes
from ..build.zip import build
from ..runtime.settings import Settings
from .account import AwsAccount
from .associations import live
from .baked import objections
from .deployment import Deployment, Goal, NotDone
from .observed import Observed
from .options import pace
from .surroundings import Surroundings
from .wanted import Wanted


def built(options: argparse.Namespace, environment: Mapping[str, str]) -> Bundle:
    secrets = read_environment(environment)
    if not options.allow_test_key:
        refuse_test_key(secrets)
    bundle = build(secrets, read_routes(options.routes))
    _warn(bundle.settings)
    return bundle


def given(file: Path) -> Bundle:
    """Repeats the warnings of the build."""
    bundle = read_bundle(file)
    _warn(bundle.settings)
    return bundle


def prepared(
    options: argparse.Namespace, bundle: Bundle, around: Surroundings
) -> tuple[AwsAccount, Wanted]:
    reasons = tuple(objections(bundle, options.allow_test_key))
    if reasons:
        raise NotDone(*reasons)
    wanted = Wanted(
        function=options.function_name,
        code=bundle.code,
        paths=bundle.paths,
        role=options.role,
        memory=options.memory,
        runtime=options.runtime,
        replace=options.replace,
    )
    session = around.open_session(options.profile)
    account = AwsAccount(session, options.distribution_id, wanted, bundle.content)
    return account, wanted


def _warn(settings: Settings) -> None:
    for warning in warnings(settings):
        print(f"warning: {warning}", file=sys.stderr)


def carried_out(
    options: argparse.Namespace, account: AwsAccount, goal: Goal, around: Surroundings
) -> bool:
    """False where only the plan was wanted. Raises NotDone, Stuck and AwsTrouble."""
    name, way = options.function_name, pace(options)
    names = (name, options.distribution_id)
    deployment = Deployment(account, goal, names, way, around)
    if options.plan:
        deployment.show()
        return False
    around.say(_live_now(deployment.run(), name, is_on_its_way=not way.wait))
    return True


def _live_now(observed: Observed, function: str, is_on_its_way: bool) -> str:
    running = live(observed.distribution.config, function)
    version = ", ".join(map(str, sorted(running)))
    where = "is on its way to" if is_on_its_way else "answers at"
    return (
        f"version {version} of {function} {where} every edge location of"
        f" {observed.distribution.id}"
    )
