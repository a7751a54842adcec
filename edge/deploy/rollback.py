"""Back to a version that was live before. Pure."""

from . import associations
from .gating import version_arn
from .observed import Absent, Observed, Version
from .steps import Associate, Plan, Refused


def target(observed: Observed, name: str, asked: int | None) -> Version | Refused:
    """Decided once: after the rollback the version before this one would be meant."""
    if isinstance(observed.function, Absent):
        return _refused(f"there is no function {name} in us-east-1.")
    running = associations.live(observed.distribution.config, name)
    distribution = observed.distribution
    if not running:
        return _refused(f"{distribution.id} runs no version of {name}.")
    if asked is not None:
        return _version(observed, name, asked)
    if len(running) > 1:
        return _refused(f"{distribution.id} runs versions {_list(running)}. {_NAME_IT}")
    (current,) = running
    before = previous(observed.versions, current)
    if before is None:
        return _refused(
            f"no version before {current} is left, which {distribution.id} runs."
            " To take the gate off, remove its associations in CloudFront:"
            " then the origin has to refuse unpaid requests by itself."
        )
    if not distribution.is_deployed:
        return _refused(
            f"{distribution.id} is still on its way to version {current}."
            f" {_NAME_IT} --version {before.number} is the one before,"
            f" --version {current} waits for this one."
        )
    return before


_NAME_IT = "Say which you want with --version."


def previous(versions: tuple[Version, ...], current: int) -> Version | None:
    """What was live when the current one was published. Where that is not known, the
    one published before: after a rollback the two differ."""
    by_number = {version.number: version for version in versions}
    now = by_number.get(current)
    if now and now.replaces in by_number:
        return by_number[now.replaces]
    return max(
        (version for version in versions if version.number < current),
        key=lambda version: version.number,
        default=None,
    )


def rollback(observed: Observed, name: str, to: int) -> Plan:
    distribution = observed.distribution
    arn = version_arn(observed.function, name, to)
    config = associations.moved(distribution.config, name, arn)
    changed = associations.changes(distribution.config, config, {})
    if not changed:
        return Plan(())
    return Plan((Associate(to, distribution.etag, config, changed),))


def _version(observed: Observed, name: str, number: int) -> Version | Refused:
    for version in observed.versions:
        if version.number == number:
            return version
    there = _list({version.number for version in observed.versions})
    return _refused(f"{name} has no version {number}. There are {there}.")


def _refused(reason: str) -> Refused:
    return Refused((reason,))


def _list(numbers: frozenset[int] | set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
