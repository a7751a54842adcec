"""A schedule that was played, line by line, for a person."""

from .play import History
from .world import BEGAN


def story(history: History) -> list[str]:
    lines: list[tuple[float, str]] = []
    for asked in history.asked:
        who, again = f"{asked.worker}: key {asked.ask.key}", " again" * asked.final
        lines.append((asked.begun, f"{who} is asked for{again}: {asked.ask.body}"))
        if asked.ended is not None:
            error = f" ({asked.error!r})" if asked.error else ""
            lines.append((asked.ended, f"{who} is told {asked.told}{error}"))
    for run in history.started:
        who = f"{run.worker}: run {run.number} of key {run.key}"
        first = run.attempt is None or run.attempt.first
        how = "starts" if first else "takes over"
        lines.append((run.at, f"{who} {how}: {run.does}"))
        if run.ended_at is not None:
            lines.append((run.ended_at, f"{who} ends"))
    lines += [(when, f"{worker}: {event}") for when, worker, event in history.events]
    lines += [(when, f"ruling on {key}: {said}") for when, key, said in history.rulings]
    lines += [(when, f"trouble: {what}") for when, what in history.trouble]
    for when, _, before, after in history.writes:
        lines.append((when, f"server: {_short(before)} -> {_short(after)}"))
    lines.sort(key=lambda line: line[0])
    return [f"{when - BEGAN:9.4f}  {what}" for when, what in lines]


def _short(record: bytes | None) -> str:
    if record is None:
        return "nothing"
    state, owner = record[1:2].decode(), record[2:5].hex()
    return f"P {owner} lease {int(record[50:60])}" if state == "P" else state
