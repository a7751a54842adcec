"""The ratios as a drawing: SVG, written as text, so that its changes can be read."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.measures import FIRST, FIRST_64, REPLAY, REPLAY_1M, REPLAY_64, Measure
from benchmarks.report.figures import Spread, failure, ratio
from benchmarks.results import Results

_PANELS = (FIRST, REPLAY, REPLAY_1M, FIRST_64, REPLAY_64)
_WIDTH, _LABELS, _BAR, _LINE, _HEAD = 760, 210, 430, 18, 46
_LIMITS = {True: 2.5, False: 4.0}  # of the axis, for rates and for times
_FOOT = "The line is the range of the rounds. On FastAPI the floor is a decorator."
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 14px }
.ours { fill: #1f883d } .rival { fill: #8c959f } .control { fill: #d0d7de }
.floor { stroke: #cf222e; stroke-dasharray: 3 3 } .range { stroke: #24292f }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .range { stroke: #f0f6fc } .control { fill: #3d444d }
}
"""


def svg(results: Results) -> str:
    rows = [
        name
        for name, info in results["rows"].items()
        if info["kind"] != "control" or name == "floor-again"
    ]
    height = _HEAD + len(rows) * _LINE + 14
    parts = [f"<style>{_STYLE}</style>"]
    for number, measure in enumerate(_PANELS):
        inside = "\n".join(_panel(results, measure, rows))
        parts.append(f'<g transform="translate(0 {number * height})">\n{inside}\n</g>')
    total = height * len(_PANELS) + _LINE
    parts.append(_text(8, total - 6, _FOOT))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{total}" '
        f'viewBox="0 0 {_WIDTH} {total}" role="img">\n'
        "<title>Ratios to the floor, with their ranges</title>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(results: Results, measure: Measure, rows: list[str]) -> Iterator[str]:
    what = "requests per second" if measure.is_rate else "time"
    better = "more" if measure.is_rate else "less"
    yield _text(8, 20, f"{measure.title}: {what} ÷ floor, {better} is better", "title")
    bottom = _HEAD - 8 + len(rows) * _LINE
    floor = _x(measure, 1.0)
    yield _line(floor, _HEAD - 14, floor, bottom, "floor")
    for number, row in enumerate(rows):
        y = _HEAD + number * _LINE
        yield _text(_LABELS - 8, y, row, anchor="end")
        found = ratio(results, measure, row)
        if found is None:
            reason = failure(results, measure.name, row) or "not measured"
            yield _text(_LABELS + 4, y, reason)
        else:
            yield from _bar(measure, found, y, results["rows"][row]["kind"])


def _bar(measure: Measure, found: Spread, y: int, kind: str) -> Iterator[str]:
    end, middle = _x(measure, found.middle), y - 4
    yield (
        f'<rect class="{kind}" x="{_LABELS}" y="{y - 10}" '
        f'width="{end - _LABELS:.1f}" height="12"/>'
    )
    least, most = _x(measure, found.least), _x(measure, found.most)
    yield _line(least, middle, most, middle, "range")
    beyond = " →" if found.middle > _LIMITS[measure.is_rate] else ""
    label = f"{found.middle:.2f}{beyond}"
    yield _text(round(max(end, most)) + 6, y, label)


def _x(measure: Measure, value: float) -> float:
    limit = _LIMITS[measure.is_rate]
    return _LABELS + _BAR * min(value, limit) / limit


def _text(x: int, y: int, words: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return (
        f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" '
        f'x2="{x2:.1f}" y2="{y2:.1f}"/>'
    )
