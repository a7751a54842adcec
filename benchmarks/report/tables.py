"""Every table of a run, with all that was measured."""

from statistics import median

from benchmarks.handlers import SLOW
from benchmarks.measures import MEASURES, NO_KEY, Measure
from benchmarks.report.figures import Spread, failure, figure, ratio, spread
from benchmarks.report.table import Table
from benchmarks.results import Results

_BODY = 1024


def tables(results: Results) -> list[Table]:
    timed = [_timed(results, measure) for measure in MEASURES]
    return [*timed, storms(results), wake_ups(results), records(results)]


def _timed(results: Results, measure: Measure) -> Table:
    control = "bare" if measure == NO_KEY else "floor"
    unit = "per second" if measure.is_rate else "µs"
    better = "more" if measure.is_rate else "less"
    rows = [
        [name, *_timed_cells(results, measure, name)]
        for name in results["rows"]
        if _has_something(results, measure, name)
    ]
    head = ["", unit, f"÷ {control}", "range", ""]
    note = f"  median of the rounds; {better} is better"
    return Table(measure.title, head, rows, note)


def _has_something(results: Results, measure: Measure, row: str) -> bool:
    reason = failure(results, measure.name, row)
    return bool(reason or figure(results, measure, row))


def _timed_cells(results: Results, measure: Measure, row: str) -> list[str]:
    if reason := failure(results, measure.name, row):
        return ["-", "-", "-", reason]
    own, to_control = figure(results, measure, row), ratio(results, measure, row)
    assert own is not None, "a row has a figure or a reason"
    scaled = own.middle if measure.is_rate else own.middle * 1e6
    amount = f"{scaled:,.0f}" if scaled >= 100 else f"{scaled:.1f}"
    if to_control is None:
        return [amount, "-", "-", ""]
    return [amount, f"{to_control.middle:.2f}", span(to_control), ""]


def span(figures: Spread) -> str:
    return f"{figures.least:.2f}–{figures.most:.2f}"


def storms(results: Results) -> Table:
    some = next(iter(results["storms"].values()), None)
    number = some["duplicates"] if some else 0
    rows = []
    for name, storm in results["storms"].items():
        taken = spread([seconds * 1000 for seconds in storm["seconds"]])
        others = {k: v for k, v in storm["outcomes"].items() if k != "200"}
        said = ", ".join(f"{count} × {what}" for what, count in sorted(others.items()))
        executions, answered = max(storm["executions"]), min(storm["answered"])
        duration = f"{taken.middle:,.0f}"
        rows.append([name, str(executions), str(answered), duration, said or "-"])
    rows += _failed(results, "storms", 4)
    taking = f"the handler takes {SLOW * 1e3:.0f} ms"
    return Table(
        f"{number} requests with one key at once; {taking}",
        ["", "executions", "got its answer", "ms until all are answered", "others got"],
        rows,
        "  the worst of the storms; the time is their median",
    )


def wake_ups(results: Results) -> Table:
    rows = []
    for name, found in results["wake_ups"].items():
        ping = median(found["pings"])
        taken = spread(found["seconds"])
        times = [f"{seconds * 1e3:.2f}" for seconds in (taken.middle, taken.most, ping)]
        rows.append([name, *times, f"{taken.middle / ping:.1f}", ""])
    rows += _failed(results, "wake-ups", 5)
    return Table(
        "Wake-up: from the completion of the handler to the answer in another process",
        ["", "ms", "longest", "a PING", "÷ PING", ""],
        rows,
    )


def records(results: Results) -> Table:
    rows = [
        [name, f"{size:,.0f}", f"{size - _BODY:,.0f}", ""]
        for name, size in results["records"].items()
    ]
    rows += _failed(results, "records", 3)
    return Table(
        "Record of a 1 KiB body, all its keys (MEMORY USAGE)",
        ["", "bytes", "over the body", ""],
        rows,
    )


def _failed(results: Results, what: str, columns: int) -> list[list[str]]:
    """The row, why, and nothing in between."""
    failed = results["failures"].get("start", {}) | results["failures"].get(what, {})
    blank = ["-"] * (columns - 1)
    return [[name, *blank, reason] for name, reason in failed.items()]
