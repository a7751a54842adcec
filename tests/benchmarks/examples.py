"""Results as a run would write them, small enough to check by hand."""

from benchmarks.app import Ground, Kind
from benchmarks.measures import FIRST, MEASURES, REPLAY_64
from benchmarks.results import Meta, Noise, Results, RowInfo, Storms, WakeUps

FLOOR = [0.001, 0.010, 0.001]
OURS = [0.002, 0.011, 0.001]  # ratios 2, 1.1, 1; but the medians are 0.002 and 0.001


def results() -> Results:
    """Ours and two rivals: one has figures, one cannot replay, and one is missing."""
    rounds = {
        measure.name: {"bare": FLOOR, "floor": FLOOR, "floor-again": FLOOR}
        for measure in MEASURES
    }
    rounds[FIRST.name] |= {"ours": OURS, "slow": [0.004, 0.04, 0.004]}
    rounds[REPLAY_64.name] |= {"ours": [100.0, 200.0, 300.0]}
    for measure in MEASURES:
        rounds[measure.name].setdefault("ours", OURS)
    return Results(
        meta=_meta(),
        rows={
            "bare": _row("control"),
            "floor": _row("control"),
            "floor-again": _row("control"),
            "ours": _row("ours"),
            "slow": _row("rival"),
            "missing": _row("rival", "fastapi"),
        },
        rounds=rounds,
        storms={
            "ours": Storms(
                duplicates=300,
                executions=[1, 2],
                answered=[300, 299],
                outcomes={"200": 599, "409": 1},
                seconds=[0.06, 0.08],
            )
        },
        wake_ups={"ours": WakeUps(seconds=[0.0003, 0.0005], pings=[0.0001])},
        records={"floor": 1173.0, "ours": 1250.0},
        verdicts={"ours": {"replays a 204": "yes"}, "slow": {"replays a 204": "no"}},
        failures={
            "start": {"missing": "No module named 'missing'"},
            "replay": {"slow": "does not replay"},
            "wake-ups": {"slow": "does not wait: 409"},
        },
    )


def _row(kind: Kind, ground: Ground = "starlette") -> RowInfo:
    return RowInfo(
        kind=kind,
        ground=ground,
        how="as its README shows",
        package="package 1.0",
        bare="bare",
        floor="floor",
    )


def _meta() -> Meta:
    return Meta(
        date="2026-01-01",
        effort={"rounds": 3},
        machine="Processor, Linux",
        cores=2,
        python="CPython 3.11.7",
        server="Valkey 9.1.2",
        redis_server="Redis 7.0.15",
        packages={"redis": "8.1.0", "hiredis": "3.5.0"},
        seconds=12.0,
        noise=Noise(blocks=10, repeated=2, disturbed=1),
    )
