"""The keys in a bundle: whether a new one fits those that are live, whether it rotates
one of them, and when the old one may go.

Not by the bundle's digest: that differs for a new route as well, and an operator who
forgot to set the new key would be told to revoke the one in use.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import NamedTuple

from ..aws.path_patterns import uncovered
from ..build.bundle import DAMAGED, Bundle, document
from ..build.environment import ACCEPTED, BEARER, CDP, KEY_VARIABLE, SIGNING
from ..errors import AwsTrouble, Refused
from ..runtime.settings import Endpoint, SettingsError, endpoint
from ..runtime.signature import SigningKey

NEXFLOW = "nexflow"

# Which variable has the new one, and who revokes the old one.
_API_KEYS = {
    NEXFLOW: (KEY_VARIABLE, "https://nexflowapp.app, Developers, API Keys."),
    "bearer": (BEARER, "where your facilitator has issued it."),
    "cdp": (CDP[1], "https://portal.cdp.coinbase.com, API Keys."),
    "none": (SIGNING[0], ""),
}


class Keys(NamedTuple):
    api_key: str
    signing: tuple[SigningKey, ...]
    """The first one signs, all are recognised."""
    paths: frozenset[str]
    """Of the routes that they are for."""
    auth: str = NEXFLOW
    """What the API key is to the facilitator: as in routes.toml, or NexFlow's."""
    facilitator: Endpoint | None = None
    """NexFlow's, which alone can settle its intents. None for a standard one: another
    can settle the same payments."""

    def __repr__(self) -> str:
        """Without a secret, wherever it may be printed."""
        return f"Keys({self.signing})"


# By version. None for a bundle that is not of this project, and signs nothing.
VersionKeys = Mapping[int, Keys | None]


def keys_of(bundle: Bundle) -> Keys:
    settings = bundle.settings
    auth = NEXFLOW if settings.x402 is None else settings.x402.auth
    paths = frozenset(bundle.paths)
    facilitator = settings.facilitator if settings.x402 is None else None
    return Keys(settings.api_key, settings.signing, paths, auth, facilitator)


def keys_in(content: bytes) -> Keys | None:
    """Also of bundles from other versions of this project; None if it is no bundle."""
    try:
        found = document(content)
        signing = (
            SigningKey(str(key["keyId"]), str(key["secret"]).encode())
            for key in found.get("signing", [])
        )
        paths = frozenset(str(route["path"]) for route in found["routes"])
        auth = str(found["x402"]["auth"]) if found.get("x402") else NEXFLOW
        asked = endpoint(str(found["facilitatorUrl"])) if auth == NEXFLOW else None
        return Keys(str(found["apiKey"]), tuple(signing), paths, auth, asked)
    except (TypeError, AttributeError, SettingsError, *DAMAGED):
        return None


class PublishedKeys:
    """Those of published versions. Each bundle is read once."""

    def __init__(self, read_bundle: Callable[[int], bytes]) -> None:
        self._read_bundle = read_bundle
        self._found: dict[int, Keys | None] = {}

    def of(self, versions: Iterable[int]) -> VersionKeys:
        """Raises AwsTrouble."""
        return {version: self[version] for version in versions}

    def __getitem__(self, version: int) -> Keys | None:
        if version not in self._found:
            try:
                content = self._read_bundle(version)
            except (OSError, HTTPException) as lost:  # cut off on the way, too
                raise AwsTrouble(
                    f"the bundle of version {version} cannot be read: {lost}."
                    " Its key must be compared with the new one. Repeat the command."
                ) from lost
            self._found[version] = keys_in(content)
        return self._found[version]


def signing_breaks(new: Keys, live: VersionKeys) -> Iterator[str]:
    """The signing secrets of live versions that a new bundle does not continue, each
    with the remedy.

    While one version replaces another, either may sign and either may check. If they do
    not match, payments are not settled, and an origin that verifies refuses them."""
    for version, old in sorted(live.items()):
        if old is not None:
            yield from _breaks(new, version, old)


def _breaks(new: Keys, version: int, old: Keys) -> Iterator[str]:
    if not old.signing:
        return
    named = {key.id: key for key in old.signing}
    for key in new.signing:
        if key != named.get(key.id, key):
            yield (
                f"version {version} has another secret of the name {key.id}. Set that"
                " one again, or give the new one another name."
            )
            return
    if not new.signing:
        yield (
            f"version {version} signs, and this bundle would not: the origin would"
            f" refuse every request. Set {SIGNING[0]} and {SIGNING[1]}."
        )
    elif old.signing[0] not in new.signing:
        yield (
            f"version {version} signs with {old.signing[0].id}, which this bundle does"
            f" not accept. Set {ACCEPTED[0]} and {ACCEPTED[1]} to it."
        )
    elif new.signing[0] not in old.signing:
        yield (
            f"version {version} does not accept {new.signing[0].id} yet. First give it"
            f" to the origin, then deploy with it as {ACCEPTED[0]}, and only then"
            " rotate."
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """The keys that the new version replaces."""

    api_key_of: int | None
    """A version that has the old API key."""
    signing_key: str | None
    """The id of the old signing key."""


def rotation(new: Keys, live: VersionKeys, before: VersionKeys) -> Rotation:
    """`before` are the versions that the live ones replaced: where the live ones have
    the new keys already, an interrupted rotation is being finished. Raises Refused."""
    reasons = tuple(_reasons(new, live))
    if reasons:
        raise Refused(*reasons)
    for versions in (live, before):
        found = _replaced(new, versions)
        if found.api_key_of is not None or found.signing_key is not None:
            return found
    raise Refused(
        f"version {max(live)}, which is live, has these keys already."
        f" Set {_API_KEYS[new.auth][0]} to the new one."
    )


def _reasons(new: Keys, live: VersionKeys) -> Iterator[str]:
    if not live:
        yield "no version is live, so there is nothing to rotate. Use deploy."
    for version, old in sorted(live.items()):
        if old is None:
            yield (
                f"version {version}, which is live, is not a bundle of this project:"
                " its key cannot be compared. Use deploy."
            )
        elif old.auth != new.auth:
            yield (
                f"version {version}, which is live, asks another facilitator, or in"
                " another way: that is no rotation. Use deploy."
            )
        else:
            yield from _breaks(new, version, old)


def _replaced(new: Keys, versions: VersionKeys) -> Rotation:
    api_key_of = signing_key = None
    for version, old in sorted(versions.items()):
        if old is None:
            continue
        if old.api_key != new.api_key:
            api_key_of = version
        if old.signing and new.signing and old.signing[0] != new.signing[0]:
            signing_key = old.signing[0].id
    return Rotation(api_key_of, signing_key)


def changes(new: Keys | None, live: VersionKeys) -> Iterator[str]:
    """What to know before agreeing that this replaces what is live."""
    yield from _changed_routes(new, live)
    yield from _changed_facilitator(new, live)


def _changed_routes(new: Keys | None, live: VersionKeys) -> Iterator[str]:
    """What becomes paid for, and what becomes free."""
    if not live:
        return
    if new is None or None in live.values():
        yield (
            "one of the versions is not a bundle of this project: which paths"
            " become free, or paid for, cannot be told"
        )
        return
    before = frozenset().union(*(each.paths for each in live.values() if each))
    for route in sorted(new.paths - before):
        if uncovered(route, before):
            yield f"{route} becomes a paid route"
    for route in sorted(before - new.paths):
        path = uncovered(route, new.paths)
        if path == uncovered(route, ()):
            yield f"{route} is no longer a paid route"
        elif path:
            yield f"{path} becomes free: {route} is no longer a paid route"


def _changed_facilitator(new: Keys | None, live: VersionKeys) -> Iterator[str]:
    """While one version replaces another, either may verify and either may settle."""
    for version, old in sorted(live.items()):
        if new and old and old.facilitator != new.facilitator:
            yield (
                f"version {version} asks another facilitator: until every edge location"
                " has this one, some answers are not charged for, because neither"
                " settles what the other has verified"
            )


def changed_signing(new: Keys | None, live: VersionKeys) -> Iterator[str]:
    """For a rollback, which is not refused for it."""
    if new is None:
        return
    for version, old in sorted(live.items()):
        if old is None or not old.signing:
            continue
        if not new.signing:
            yield (
                f"version {version} signs, and this one does not: an origin that"
                " verifies refuses every paid request"
            )
            continue
        if tuple(_breaks(new, version, old)):
            yield (
                f"this version and version {version} do not accept each other's"
                " signatures: until every edge location has it, some paid requests are"
                " not settled"
            )
        if new.signing[0] != old.signing[0]:
            yield f"the origin must still accept the key {new.signing[0].id}"


def notes(new: Keys, rotation: Rotation) -> Iterator[str]:
    """What to know before agreeing."""
    if rotation.signing_key is not None:
        yield f"note: the origin must already accept the key {new.signing[0].id}"


def last_words(rotation: Rotation, auth: str) -> Iterator[str]:
    """What the operator may do now that the new keys are everywhere."""
    if rotation.api_key_of is not None:
        yield (
            f"Now revoke the old API key, the one in version {rotation.api_key_of}:"
            f" {_API_KEYS[auth][1]}"
            " After that, do not roll back to that version."
        )
    if rotation.signing_key is not None:
        yield (
            f"{rotation.signing_key} no longer signs anything. Wait ten minutes, until"
            f" the requests it has signed are answered. Then unset {ACCEPTED[0]} and"
            f" {ACCEPTED[1]} and deploy, and remove it from the origin."
        )
