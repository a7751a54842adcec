"""python -m edge rollback: the version that was live before, everywhere."""

import argparse
from collections.abc import Mapping
from functools import partial

from .account import AwsAccount
from .attempt import attempt
from .deployment import NotDone
from .options import add_no_wait, add_pace, add_target
from .preparation import carried_out
from .rollback import rollback, target
from .steps import Refused
from .surroundings import Surroundings
from .wanted import Wanted

_DESCRIPTION = """\
Run the version of the gate that was live before, in every behaviour that runs one, and
wait until every edge location has it. Policies stay as they are.

A version has the keys that it was built with. If you have revoked its API key since,
every paid request would get a 500.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "rollback",
        help="go back to the version that was live before",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    command.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="go to this version (default: the one that was live when the present one"
        " was published)",
    )
    add_pace(command)
    add_no_wait(command)
    command.set_defaults(run=run)


def run(
    options: argparse.Namespace,
    _environment: Mapping[str, str],
    around: Surroundings = Surroundings(),  # noqa: B008 - a value that never changes
) -> int:
    return attempt("rollback", lambda: _roll_back(options, around))


def _roll_back(options: argparse.Namespace, around: Surroundings) -> None:
    name, session = options.function_name, around.open_session(options.profile)
    wanted = Wanted(function=name, code="", paths=())
    account = AwsAccount(session, options.distribution_id, wanted, b"")
    chosen = target(account.observe(), name, options.version)
    if isinstance(chosen, Refused):
        raise NotDone(*chosen.reasons)
    around.say(
        f"version {chosen.number} has the keys that it was built with:"
        " if one of them is revoked, paid requests will get a 500"
    )
    goal = partial(rollback, name=name, to=chosen.number)
    carried_out(options, account, goal, around)
