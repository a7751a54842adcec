"""What a run found, as it is written to a file. Everything printed comes from here."""

from typing import TypedDict

from benchmarks.app import Ground, Kind


class RowInfo(TypedDict):
    kind: Kind
    ground: Ground
    how: str
    package: str
    """With its version."""
    bare: str
    floor: str


class Noise(TypedDict):
    blocks: int
    repeated: int
    """Others kept the row or the server waiting, and it was measured again."""
    disturbed: int
    """Still so at the last attempt, and counted."""


class Meta(TypedDict):
    date: str
    effort: dict[str, float]
    machine: str
    cores: int
    python: str
    server: str
    redis_server: str
    """Of the rows on that ground; empty where there are none."""
    packages: dict[str, str]
    seconds: float
    noise: Noise


class Storms(TypedDict):
    duplicates: int
    executions: list[int]
    answered: list[int]
    outcomes: dict[str, int]
    seconds: list[float]


class WakeUps(TypedDict):
    seconds: list[float]
    """From the completion of the handler until the other process has the answer."""
    pings: list[float]


class Results(TypedDict):
    meta: Meta
    rows: dict[str, RowInfo]
    rounds: dict[str, dict[str, list[float]]]
    """By measure and row, one figure a round: seconds, or answers per second."""
    storms: dict[str, Storms]
    wake_ups: dict[str, WakeUps]
    records: dict[str, float]
    """Bytes in the server for one record of 1 KiB."""
    verdicts: dict[str, dict[str, str]]
    failures: dict[str, dict[str, str]]
    """By measure and row, why there is no figure."""
