"""Seconds since 1970, from the instants on the wire and back."""

from datetime import UTC, datetime

# Numbers are epoch seconds, or epoch milliseconds as JavaScript counts them.
# Seconds reach this bound in the year 5138, milliseconds passed it in 1973.
_FIRST_MILLISECONDS = 1e11
_LATEST = 1e14


def stamp(seconds: float) -> str:
    """UTC, ISO 8601, milliseconds, `Z`: 2026-02-07T08:12:34.567Z."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(value: object) -> float | None:
    """None when it cannot be told which instant is meant, as without a zone."""
    if isinstance(value, str):
        return _iso_seconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value < _LATEST:  # false for NaN, too
        return None
    return value / 1000 if value >= _FIRST_MILLISECONDS else float(value)


def _iso_seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
