"""The commands that change an account: python -m edge deploy, rollback and rotate."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ..errors import Refused
from . import plan
from .account import Account
from .associations import live
from .keys import (
    Keys,
    PublishedKeys,
    Rotation,
    keys_of,
    last_words,
    notes,
    rotation,
    signing_breaks,
)
from .model import Snapshot, Spec
from .options import (
    add_bundle,
    add_function,
    add_no_wait,
    add_pace,
    add_routes,
    add_target,
    bundle_of,
    pace_of,
    spec_of,
)
from .run import Deployment, Planner
from .terminal import System, exit_status

_DEPLOY = """\
Put the gate in front of an API: create or update its function, publish a version, run
it in every behaviour of the distribution that reaches the API's origin, switch caching
off where a route is paid for, and wait until every edge location has it.

What changes is shown first. It is safe to repeat and to interrupt: until the last
change the site works as before, after it as planned.
"""

_DEPLOY_EPILOG = """\
Without --bundle it builds one first, from the same environment as build.
The permissions it needs are in edge/deploy/permissions.json.
"""

_ROLLBACK = """\
Run the version of the gate that was live before, in every behaviour that runs one, and
wait until every edge location has it. Policies stay as they are.

A version has the keys that it was built with. If you have revoked its API key since,
every paid request would get a 500.
"""

_ROTATE = """\
Replace the API key or the signing secret of a gate that is live: build a bundle with
the new one from the environment, publish it, run it in every behaviour that runs the
gate, and wait until every edge location has it. Then, and not before, it says that the
old one may go. Both work until then.

It reads the bundle that is live to see that the key is a new one.
"""

_DROP_SIGNING = "--drop-signing"

NOT_YET = "Do not revoke the old key yet: it may still be in use."

_SYSTEM = System()


def add_deploy(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    command = commands.add_parser(
        "deploy",
        help="put the gate in front of a distribution",
        description=_DEPLOY,
        epilog=_DEPLOY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    add_bundle(command)
    add_function(command)
    command.add_argument(
        "--replace",
        action="store_true",
        help="take off other functions where the gate has to run",
    )
    command.add_argument(
        _DROP_SIGNING,
        action="store_true",
        help="deploy even if this bundle and the live version do not accept each"
        " other's signatures: until every edge location has it, some requests are"
        " refused by an origin that verifies, or are not settled",
    )
    add_pace(command)
    add_no_wait(command)
    command.set_defaults(run=deploy)


def deploy(
    options: argparse.Namespace,
    environment: Mapping[str, str],
    system: System = _SYSTEM,
) -> int:
    return exit_status("deploy", lambda: _deploy(options, environment, system))


def _deploy(
    options: argparse.Namespace, environment: Mapping[str, str], system: System
) -> None:
    bundle = bundle_of(options, environment)
    spec = spec_of(options, bundle)
    account = _account(options, spec, bundle.content, system)
    if not options.drop_signing:
        _go_on_signing(account, spec, keys_of(bundle), system)
    _carry_out(options, account, partial(plan.deploy, spec=spec), system)


def _go_on_signing(account: Account, spec: Spec, new: Keys, system: System) -> None:
    running = live(account.snapshot().distribution.config, spec.function)
    breaks = tuple(signing_breaks(new, _published_keys(account, system).of(running)))
    if breaks:
        raise Refused(*breaks, f"to deploy it all the same, add {_DROP_SIGNING}.")


def add_rollback(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    command = commands.add_parser(
        "rollback",
        help="go back to the version that was live before",
        description=_ROLLBACK,
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
    command.set_defaults(run=rollback)


def rollback(
    options: argparse.Namespace,
    _environment: Mapping[str, str],
    system: System = _SYSTEM,
) -> int:
    return exit_status("rollback", lambda: _rollback(options, system))


def _rollback(options: argparse.Namespace, system: System) -> None:
    name = options.function_name
    account = _account(options, Spec(function=name, code="", paths=()), b"", system)
    version = plan.rollback_target(account.snapshot(), name, options.version)
    system.say(
        f"version {version} has the keys that it was built with:"
        " if one of them is revoked, paid requests will get a 500"
    )
    planner = partial(plan.rollback, name=name, to=version)
    _carry_out(options, account, planner, system)


def add_rotate(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    command = commands.add_parser(
        "rotate",
        help="replace the key of a gate that is live",
        description=_ROTATE,
        epilog="environment: as for build",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    add_routes(command)
    add_pace(command)
    command.set_defaults(
        run=rotate, bundle=None, role=None, memory=None, runtime=None, replace=False
    )


def rotate(
    options: argparse.Namespace,
    environment: Mapping[str, str],
    system: System = _SYSTEM,
) -> int:
    return exit_status("rotate", lambda: _rotate(options, environment, system), NOT_YET)


def _rotate(
    options: argparse.Namespace, environment: Mapping[str, str], system: System
) -> None:
    bundle = bundle_of(options, environment)
    new, spec = keys_of(bundle), spec_of(options, bundle)
    account = _account(options, spec, bundle.content, system)
    published = _published_keys(account, system)
    decided = _rotation(account.snapshot(), spec, new, published)
    for note in notes(new, decided):
        system.say(note)
    _carry_out(options, account, partial(plan.deploy, spec=spec), system)
    if options.plan:
        system.say(NOT_YET)
        return
    reasons = tuple(_elsewhere(account.others(), spec.function, new, published))
    if reasons:
        raise Refused(*reasons)
    for word in last_words(decided):
        system.say(word)


def _rotation(
    snapshot: Snapshot, spec: Spec, new: Keys, published: PublishedKeys
) -> Rotation:
    running = published.of(live(snapshot.distribution.config, spec.function))
    replaced = (plan.previous(snapshot.versions, version) for version in running)
    before = {version for version in replaced if version is not None}
    return rotation(new, running, published.of(before))


def _elsewhere(
    others: Iterable[tuple[str, int]], name: str, new: Keys, published: PublishedKeys
) -> Iterator[str]:
    for distribution, version in others:
        found = published[version]
        if found is None or found.api_key != new.api_key:
            yield (
                f"{distribution} still runs version {version} of {name}, which has"
                " another key. Rotate there, too: the same command with"
                f" --distribution-id {distribution}."
            )


def _account(
    options: argparse.Namespace, spec: Spec, bundle: bytes, system: System
) -> Account:
    session = system.open_session(options.profile)
    return Account(session, options.distribution_id, spec, bundle)


def _published_keys(account: Account, system: System) -> PublishedKeys:
    return PublishedKeys(lambda version: system.download(account.address(version)))


def _carry_out(
    options: argparse.Namespace, account: Account, planner: Planner, system: System
) -> None:
    names = (options.function_name, options.distribution_id)
    deployment = Deployment(account, planner, names, pace_of(options), system)
    if options.plan:
        deployment.show()
    else:
        deployment.run()
