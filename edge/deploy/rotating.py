"""What a rotation looks at besides its own plan: the versions before, and the account's
other distributions, which may have the old key as well."""

from collections.abc import Iterable, Iterator

from . import plan
from .associations import Other, live
from .keys import Keys, PublishedKeys, Rotation, rotation
from .model import Snapshot, Spec


def decided(
    snapshot: Snapshot, spec: Spec, new: Keys, published: PublishedKeys
) -> Rotation:
    """Raises Refused and AwsTrouble."""
    running = published.of(live(snapshot.distribution.config, spec.function))
    replaced = (plan.previous(snapshot.versions, version) for version in running)
    before = {version for version in replaced if version is not None}
    return rotation(new, running, published.of(before))


def elsewhere(
    others: Iterable[Other], name: str, new: Keys, published: PublishedKeys
) -> Iterator[str]:
    """The distributions that still run an old key of the same function."""
    for each in others:
        if each.function != name:
            continue
        found = published[each.version]
        if found is None or found.api_key != new.api_key:
            yield (
                f"{each.distribution} still runs version {each.version} of {name},"
                " which has another key. Rotate there, too, with the routes file of"
                f" that distribution: --distribution-id {each.distribution}"
                " --routes FILE."
            )


def uncompared(others: Iterable[Other], name: str) -> Iterator[str]:
    """The functions of another name, which may be gates with the same key. Whose they
    are is not known, so their bundles are not read."""
    found = {
        (each.distribution, each.function) for each in others if each.function != name
    }
    for distribution, function in sorted(found):
        yield (
            f"{distribution} runs {function}, whose key was not compared: revoke only"
            " if it has another."
        )
