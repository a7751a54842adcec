"""The commands that change an account: python -m edge deploy, rollback and rotate."""

import argparse
from collections.abc import Iterable, Iterator, Mapping

from ..build.bundle import Bundle
from ..errors import AwsTrouble, Refused
from . import plan, rotating, usage
from .account import Account
from .associations import live
from .judgement import judged
from .keys import (
    Keys,
    PublishedKeys,
    VersionKeys,
    changed_signing,
    changes,
    keys_of,
    last_words,
    notes,
    signing_breaks,
)
from .model import Associate, Plan, Snapshot, Spec
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
    version_number,
)
from .run import Deployment, Judge, Planner
from .terminal import System, exit_status

_DROP_SIGNING = "--drop-signing"

NOT_YET = "Do not revoke the old key yet: it may still be in use."

_SYSTEM = System()


def add_deploy(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    command = commands.add_parser(
        "deploy",
        help="put the gate in front of a distribution",
        description=usage.DEPLOY,
        epilog=usage.DEPLOY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    add_bundle(command)
    add_function(command)
    command.add_argument(
        "--replace",
        action="store_true",
        help="remove other functions that are in the gate's way",
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
    account.snapshot()  # what cannot be read ends it, before anything else is said
    published = _published_keys(account, system)
    _deploy_bundle(options, account, (spec, bundle, published), system)


def _go_on_signing(new: Keys, before: VersionKeys) -> None:
    breaks = tuple(signing_breaks(new, before))
    if breaks:
        raise Refused(*breaks, f"to deploy it all the same, add {_DROP_SIGNING}.")


def add_rollback(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    command = commands.add_parser(
        "rollback",
        help="go back to the version that was live before",
        description=usage.ROLLBACK,
        epilog=usage.ROLLBACK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    command.add_argument(
        "--version",
        type=version_number,
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
    published = _published_keys(account, system)
    system.say(
        f"version {version} has the keys that it was built with:"
        " if one of them is revoked, paid requests will get a 500"
    )

    def planned(snapshot: Snapshot) -> Plan:
        found = plan.rollback(snapshot, name, version)
        if not found.steps:
            return found
        running = live(snapshot.distribution.config, name)
        return found.noting(_rolled_back(published, running, version))

    try:
        _carry_out(options, account, planned, system)
    except (AwsTrouble, KeyboardInterrupt) as stopped:
        if options.version is None:
            stopped.add_note(
                f"the command to repeat is rollback --version {version}: without the"
                " version it may go back one more."
            )
        raise


def _rolled_back(
    published: PublishedKeys, running: Iterable[int], to: int
) -> Iterator[str]:
    """A rollback is urgent: it does not wait for a bundle that is missing."""
    try:
        before = published.of(running)
        yield from changes(published[to], before)
        yield from changed_signing(published[to], before)
    except AwsTrouble as trouble:
        yield f"which paths become free, or paid for, cannot be told: {trouble}"


def add_rotate(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    command = commands.add_parser(
        "rotate",
        help="replace the key of a gate that is live",
        description=usage.ROTATE,
        epilog=usage.ROTATE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    add_routes(command)
    add_pace(command)
    command.set_defaults(
        run=rotate,
        bundle=None,
        role=None,
        memory=None,
        runtime=None,
        replace=False,
        drop_signing=False,
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
    decided = rotating.decided(account.snapshot(), spec, new, published)
    for note in notes(new, decided):
        system.say(note)
    _deploy_bundle(options, account, (spec, bundle, published), system)
    if options.plan:
        system.say(NOT_YET)
        return
    others = account.others()
    reasons = tuple(rotating.elsewhere(others, spec.function, new, published))
    if reasons:
        raise Refused(*reasons)
    if decided.api_key_of is not None:
        for doubt in rotating.uncompared(others, spec.function):
            system.say(doubt)
    for word in last_words(decided, new.auth):
        system.say(word)


def _owned(account: Account, distribution: str) -> Iterator[str]:
    try:
        stack = account.stack()
    except AwsTrouble as trouble:
        yield (
            "note: could not find out whether a CloudFormation stack owns it:"
            f" {trouble}"
        )
        return
    if stack is not None:
        yield (
            f"warning: {distribution} belongs to CloudFormation's stack {stack}, whose"
            " next update restores its own configuration, without this. Change the"
            " stack instead."
        )


def _account(
    options: argparse.Namespace, spec: Spec, bundle: bytes, system: System
) -> Account:
    session = system.open_session(options.profile)
    return Account(session, options.distribution_id, spec, bundle)


def _published_keys(account: Account, system: System) -> PublishedKeys:
    return PublishedKeys(lambda version: system.download(account.address(version)))


def _deploy_bundle(
    options: argparse.Namespace,
    account: Account,
    what: tuple[Spec, Bundle, PublishedKeys],
    system: System,
) -> None:
    spec, bundle, published = what
    new = keys_of(bundle)

    def planned(snapshot: Snapshot) -> Plan:
        """Compared with what is live now: somebody may have deployed meanwhile."""
        found = plan.deploy(snapshot, spec)
        if not found.steps:
            return found
        before = published.of(live(snapshot.distribution.config, spec.function))
        if not options.drop_signing:
            _go_on_signing(new, before)
        return found.noting(changes(new, before))

    def judge(step: Associate) -> Iterator[str]:
        read = account.policies_of(step.config)
        return judged(options.distribution_id, step.config, read, bundle)

    _carry_out(options, account, planned, system, judge)


def _carry_out(
    options: argparse.Namespace,
    account: Account,
    planner: Planner,
    system: System,
    judge: Judge = lambda _: (),
) -> None:
    for warning in _owned(account, options.distribution_id):
        system.say(warning)
    names = (options.function_name, options.distribution_id)
    deployment = Deployment(account, planner, names, pace_of(options), system, judge)
    if options.plan:
        deployment.show()
    else:
        deployment.run()
