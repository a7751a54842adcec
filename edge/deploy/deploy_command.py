"""python -m edge deploy: from a bundle to a distribution that runs it everywhere."""

import argparse
from collections.abc import Mapping
from functools import partial

from .account import AwsAccount
from .attempt import attempt
from .baked import Baked, baked
from .deployed import Deployed
from .deployment import NotDone
from .options import add_bundle, add_function, add_no_wait, add_pace, add_target
from .plan import plan
from .preparation import built, carried_out, given, prepared
from .signing import all_breaks
from .surroundings import Surroundings

_DROP_SIGNING = "--drop-signing"

_DESCRIPTION = """\
Put the gate in front of an API: create or update its function, publish a version, run
it in every behaviour of the distribution that reaches the API's origin, switch caching
off where a route is paid for, and wait until every edge location has it.

What changes is shown first. It is safe to repeat and to interrupt: until the last
change the site works as before, after it as planned.
"""

_EPILOG = """\
Without --bundle it is built here, from the environment that build reads.
The permissions it needs are in edge/deploy/permissions.json.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "deploy",
        help="put the gate in front of a distribution",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    add_bundle(command)
    add_function(command)
    command.add_argument(
        "--replace",
        action="store_true",
        help="take off functions that are in the way of the gate",
    )
    command.add_argument(
        _DROP_SIGNING,
        action="store_true",
        help="do not go on with the signing secret that is live: an origin that"
        " verifies refuses, and nothing is settled, where the two versions meet",
    )
    add_pace(command)
    add_no_wait(command)
    command.set_defaults(run=run)


def run(
    options: argparse.Namespace,
    environment: Mapping[str, str],
    around: Surroundings = Surroundings(),  # noqa: B008 - a value that never changes
) -> int:
    return attempt("deploy", lambda: _deploy(options, environment, around))


def _deploy(
    options: argparse.Namespace, environment: Mapping[str, str], around: Surroundings
) -> None:
    file = options.bundle
    bundle = given(file) if file else built(options, environment)
    account, wanted = prepared(options, bundle, around)
    if not options.drop_signing:
        _go_on_signing(account, options.function_name, baked(bundle), around)
    carried_out(options, account, partial(plan, wanted=wanted), around)


def _go_on_signing(
    account: AwsAccount, name: str, new: Baked, around: Surroundings
) -> None:
    running = Deployed(account, around).live(account.observe(), name)
    reasons = tuple(all_breaks(new, running))
    if reasons:
        raise NotDone(*reasons, f"to deploy it all the same, add {_DROP_SIGNING}.")
