"""python -m edge rotate: a new key everywhere, and only then a word about the old."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from .attempt import attempt
from .baked import Baked, baked
from .deployed import Deployed
from .deployment import NotDone
from .observed import Observed
from .options import add_pace, add_routes, add_target
from .plan import plan
from .preparation import built, carried_out, prepared
from .rollback import previous
from .rotation import Rotation, last_words, notes, rotation
from .steps import Refused
from .surroundings import Surroundings

_DESCRIPTION = """\
Replace the API key or the signing secret of a gate that is live: build a bundle with
the new one from the environment, publish it, run it in every behaviour that runs the
gate, and wait until every edge location has it. Then, and not before, it says that the
old one may go. Both work until then.

That the key is a new one is seen in the bundle that is live, which is read for that.
"""

NOT_YET = "Do not revoke the old key yet: it may still be in use."


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "rotate",
        help="replace the key of a gate that is live",
        description=_DESCRIPTION,
        epilog="environment: as for build",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(command)
    add_routes(command)
    add_pace(command)
    command.set_defaults(run=run, role=None, memory=None, runtime=None, replace=False)


def run(
    options: argparse.Namespace,
    environment: Mapping[str, str],
    around: Surroundings = Surroundings(),  # noqa: B008 - a value that never changes
) -> int:
    return attempt("rotate", lambda: _rotate(options, environment, around), NOT_YET)


def _rotate(
    options: argparse.Namespace, environment: Mapping[str, str], around: Surroundings
) -> None:
    name = options.function_name
    bundle = built(options, environment)
    new = baked(bundle)
    account, wanted = prepared(options, bundle, around)
    deployed = Deployed(account, around)
    replaced = _checked(deployed, account.observe(), name, new)
    for note in notes(new, replaced):
        around.say(note)
    goal = partial(plan, wanted=wanted)
    if not carried_out(options, account, goal, around):
        around.say(NOT_YET)
        return
    reasons = tuple(_elsewhere(deployed, account.others(), name, new))
    if reasons:
        raise NotDone(*reasons)
    for word in last_words(replaced):
        around.say(word)


def _checked(deployed: Deployed, observed: Observed, name: str, new: Baked) -> Rotation:
    running = deployed.live(observed, name)
    replaced = (previous(observed.versions, version) for version in running)
    before = {version.number for version in replaced if version is not None}
    decided = rotation(new, running, {n: deployed[n] for n in before})
    if isinstance(decided, Refused):
        raise NotDone(*decided.reasons)
    return decided


def _elsewhere(
    deployed: Deployed, others: Iterable[tuple[str, int]], name: str, new: Baked
) -> Iterator[str]:
    for distribution, version in others:
        found = deployed[version]
        if found is None or found.api_key != new.api_key:
            yield (
                f"{distribution} still runs version {version} of {name}, which has"
                " another key. Rotate there, too: the same command with"
                f" --distribution-id {distribution}."
            )
