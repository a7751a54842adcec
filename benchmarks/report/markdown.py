"""The tables of docs/speed.md: one row each for us and the rivals."""

from collections.abc import Iterator
from statistics import median

from benchmarks.correctness import NOT_ASKED, YES
from benchmarks.measures import MEASURES, Measure
from benchmarks.report.figures import Table, failure, ratio, span
from benchmarks.results import Results

SHOWN_CONTROLS = ("floor-again", "raw-connection")

_SPEED_HEADS = {
    "first": "first execution",
    "replay": "replay, 1 KiB",
    "replay-64k": "64 KiB",
    "replay-1m": "1 MiB",
    "no-key": "no key ÷ bare app",
    "first-64": "first, 64 at once",
    "replay-64": "replay, 64 at once",
}


def text(results: Results) -> str:
    parts = [
        as_markdown(_speed(results)),
        "\n".join(_explanation(results)),
        as_markdown(_under_pressure(results)),
        as_markdown(_verdicts(results)),
        _about(results),
    ]
    return "\n\n".join(parts)


def as_markdown(table: Table) -> str:
    lines = [table.head, ["---", *["--:" for _ in table.head[1:]]], *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _speed(results: Results) -> Table:
    rows = []
    for name in _shown(results):
        cells = [_speed_cell(results, measure, name) for measure in MEASURES]
        size = results["records"].get(name)
        rows.append([f"`{name}`", *cells, f"{size:,.0f} B" if size else "-"])
    head = ["", *(_SPEED_HEADS[measure.name] for measure in MEASURES), "record"]
    return Table("", head, rows)


def _shown(results: Results) -> list[str]:
    """Us, the rivals, and the controls that show the noise and the limit."""
    rows = results["rows"].items()
    named = [name for name, info in rows if info["kind"] != "control"]
    return [*(name for name in SHOWN_CONTROLS if name in results["rows"]), *named]


def _speed_cell(results: Results, measure: Measure, row: str) -> str:
    found = ratio(results, measure, row)
    if found is None:
        return _missing(results, measure.name, row)
    times = "" if not measure.is_rate else " ×"
    return f"{found.middle:.2f}{times} ({span(found)})"


def _missing(results: Results, what: str, row: str) -> str:
    return "fails" if failure(results, what, row) else "-"


def _explanation(results: Results) -> Iterator[str]:
    yield (
        "Each figure is a ratio to the floor: the same app with the fewest redis-py "
        "commands that can do the job: `SET NX` and `SET` around a first execution, "
        "one `GET` for a replay."
    )
    yield (
        "The first five columns compare median times: less is better. "
        "The columns with × compare requests per second: more is better."
    )
    yield (
        "Each cell has the median of "
        f"{results['meta']['effort']['rounds']:.0f} rounds, and their range in "
        "brackets. `floor-again` measures the floor a second time, so it shows the "
        "noise."
    )
    if "raw-connection" in results["rows"]:
        yield (
            "`raw-connection` sends the floor's commands on one connection that all "
            "requests share, without redis-py: the limit of one Python process."
        )
    if "origin-middleware-uvloop" in results["rows"]:
        yield (
            "`origin-middleware-uvloop` and `origin-middleware-redis-server` are "
            "compared with the floor on uvloop, and on the machine's redis-server."
        )
    if "origin-middleware-prometheus" in results["rows"]:
        yield (
            "`origin-middleware-prometheus` and `origin-middleware-opentelemetry` have "
            "an observer that counts every request and every call of the store."
        )
    on_fastapi = [
        f"`{name}`"
        for name in _shown(results)
        if results["rows"][name]["ground"] == "fastapi"
    ]
    if on_fastapi:
        yield (
            f"{', '.join(on_fastapi)}: on FastAPI. There the floor decorates the "
            "endpoint, as those rivals do."
        )
    for name in _shown(results):
        reasons: dict[str, list[str]] = {}
        for measure in MEASURES:
            if reason := failure(results, measure.name, name):
                reasons.setdefault(reason, []).append(_SPEED_HEADS[measure.name])
        for reason, heads in reasons.items():
            yield f"`{name}` fails ({'; '.join(heads)}): {reason}."


def _under_pressure(results: Results) -> Table:
    rows = []
    for name in _shown(results):
        if name in SHOWN_CONTROLS:
            continue
        cells = [*_storm_cells(results, name), _wake_up_cell(results, name)]
        rows.append([f"`{name}`", *cells])
    some = next(iter(results["storms"].values()), None)
    number = some["duplicates"] if some else 0
    head = [
        f"{number} duplicates at once",
        "executions",
        "got its answer",
        "the others got",
    ]
    return Table("", [*head, "all answered after", "wake-up ÷ PING"], rows)


def _storm_cells(results: Results, row: str) -> list[str]:
    storm = results["storms"].get(row)
    if storm is None:
        return [_missing(results, "storms", row)] * 4
    executions, answered = max(storm["executions"]), min(storm["answered"])
    others = ", ".join(sorted(set(storm["outcomes"]) - {"200"})) or "-"
    duration = f"{median(storm['seconds']) * 1e3:,.0f} ms"
    return [str(executions), str(answered), others, duration]


def _wake_up_cell(results: Results, row: str) -> str:
    found = results["wake_ups"].get(row)
    if found is None:
        return failure(results, "wake-ups", row) or "-"
    return f"{median(found['seconds']) / median(found['pings']):.1f}"


def _verdicts(results: Results) -> Table:
    questions = next(iter(results["verdicts"].values()), {})
    rows = [
        [f"`{name}`", *(_shown_verdict(verdicts[question]) for question in questions)]
        for name, verdicts in results["verdicts"].items()
    ]
    return Table("", ["a retry", *questions], rows)


def _shown_verdict(verdict: str) -> str:
    return verdict if verdict in (YES, NOT_ASKED) else f"**{verdict}**"


def _about(results: Results) -> str:
    meta, infos = results["meta"], results["rows"].values()
    packages = meta["packages"]
    servers = ", ".join(filter(None, (meta["server"], meta["redis_server"])))
    versions = ", ".join(info["package"] for info in infos if info["kind"] == "rival")
    return (
        f"Measured on {meta['date']}: {meta['machine']}, {meta['cores']} cores, "
        f"{meta['python']}, {servers}, redis-py {packages['redis']} with "
        f"hiredis {packages['hiredis']}.\n"
        f"Rivals: {versions}."
    )
