"""Whether a bundle rotates a key, and when the old one may go. Pure.

Not by the bundle's digest: that differs for a new route as well, and an operator who
forgot to set the new key would be told to revoke the one in use.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..build.environment import ACCEPTED, KEY_VARIABLE
from .baked import Baked
from .signing import breaks
from .steps import Refused


@dataclass(frozen=True, slots=True)
class Rotation:
    """What the new version replaces. The version is one that has the old key."""

    api_key_of: int | None
    signing_key: str | None
    """The id of the one that signed."""
    paths: frozenset[str]
    """Of the routes that were gated until now."""


def rotation(
    new: Baked, live: Mapping[int, Baked | None], before: Mapping[int, Baked | None]
) -> Rotation | Refused:
    """`before` are the versions that the live ones replaced: where the live ones have
    the new keys already, an interrupted rotation is being finished."""
    reasons = tuple(_reasons(new, live))
    if reasons:
        return Refused(reasons)
    for versions in (live, before):
        found = _replaced(new, versions)
        if found.api_key_of is not None or found.signing_key is not None:
            return found
    reason = (
        f"version {max(live)}, which is live, has these keys already."
        f" Set {KEY_VARIABLE} to the new one."
    )
    return Refused((reason,))


def _replaced(new: Baked, versions: Mapping[int, Baked | None]) -> Rotation:
    api_key_of = signing_key = None
    for version, old in sorted(versions.items()):
        if old is None:
            continue
        if old.api_key != new.api_key:
            api_key_of = version
        if old.signing and new.signing and old.signing[0] != new.signing[0]:
            signing_key = old.signing[0].id
    paths = (old.paths for old in versions.values() if old is not None)
    return Rotation(api_key_of, signing_key, frozenset().union(*paths))


def notes(new: Baked, rotation: Rotation) -> Iterator[str]:
    """What to know before agreeing."""
    for path in sorted(new.paths - rotation.paths):
        yield f"note: {path} becomes a paid route: it was none"
    for path in sorted(rotation.paths - new.paths):
        yield f"note: {path} is no paid route any more"
    if rotation.signing_key is not None:
        yield f"note: the origin must already accept the key {new.signing[0].id}"


def last_words(rotation: Rotation) -> Iterator[str]:
    """What may be done now that the new keys are everywhere."""
    if rotation.api_key_of is not None:
        yield (
            f"Now revoke the old API key, the one in version {rotation.api_key_of}:"
            " https://nexflowapp.app, Developers, API Keys."
            " After that, do not roll back to that version."
        )
    if rotation.signing_key is not None:
        yield (
            f"{rotation.signing_key} signs nothing any more. Wait ten minutes, for what"
            f" it has signed to be answered. Then unset {ACCEPTED[0]} and {ACCEPTED[1]}"
            " and deploy, and take it from the origin."
        )


def _reasons(new: Baked, live: Mapping[int, Baked | None]) -> Iterator[str]:
    if not live:
        yield "no version is live, so there is nothing to rotate. Use deploy."
    for version, old in sorted(live.items()):
        if old is None:
            yield (
                f"version {version}, which is live, is no bundle of this project:"
                " its key cannot be compared. Use deploy."
            )
        else:
            yield from breaks(new, version, old)
