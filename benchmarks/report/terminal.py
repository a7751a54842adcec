"""The whole of a run, for a person at a terminal."""

from statistics import median

from benchmarks.app import SLOW
from benchmarks.correctness import NOT_ASKED, YES
from benchmarks.measures import MEASURES, NO_KEY, Measure
from benchmarks.report.figures import (
    Table,
    failure,
    figure,
    ratio,
    span,
    spread,
)
from benchmarks.results import Results

_BODY = 1024


def text(results: Results) -> str:
    parts = [as_text(table) for table in _tables(results)]
    return "\n\n".join([*parts, _verdicts(results), _about(results)])


def as_text(table: Table) -> str:
    """Figures to the right; the first column and the last one have words."""
    columns = list(zip(table.head, *table.rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = [table.title, *([table.note] if table.note else [])]
    for first, *figures, last in (table.head, *table.rows):
        cells = [first.ljust(widths[0])]
        between = zip(figures, widths[1:-1], strict=True)
        cells += [cell.rjust(width) for cell, width in between]
        lines.append("  ".join(["", *cells, last]).rstrip())
    return "\n".join(lines)


def _tables(results: Results) -> list[Table]:
    timed = [_timed(results, measure) for measure in MEASURES]
    return [*timed, _storms(results), _wake_ups(results), _records(results)]


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


def _storms(results: Results) -> Table:
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


def _wake_ups(results: Results) -> Table:
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


def _records(results: Results) -> Table:
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


def _verdicts(results: Results) -> str:
    lines = ["What a retry gets, where it is not the recorded answer or a refusal"]
    for name, verdicts in results["verdicts"].items():
        wrong = {k: v for k, v in verdicts.items() if v not in (YES, NOT_ASKED)}
        lines.append(f"  {name}: {'-' if not wrong else ''}".rstrip())
        lines += [f"    {question}: {verdict}" for question, verdict in wrong.items()]
    return "\n".join(lines)


def _about(results: Results) -> str:
    meta, noise = results["meta"], results["meta"]["noise"]
    packages = ", ".join(f"{name} {of}" for name, of in meta["packages"].items())
    lines = ["Rows"]
    for name, info in results["rows"].items():
        package = f" ({info['package']})" if info["package"] else ""
        lines.append(f"  {name}{package}: {info['how']}")
    lines.append(
        f"{meta['date']}, {meta['machine']}, {meta['cores']} cores, {meta['python']}, "
        f"{meta['server']} {meta['redis_server']}, {packages}; {meta['seconds']:.0f} s."
    )
    lines.append(
        f"Noise: floor-again is floor a second time. Of {noise['blocks']} blocks "
        f"{noise['disturbed']} were disturbed by other processes "
        f"(after {noise['repeated']} repetitions)."
    )
    return "\n".join(lines)
