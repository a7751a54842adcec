"""What happened in a schedule, line by line, for those who look for a cause."""

from collections.abc import Iterator

from origin_middleware.stores.redis import scripts

from .books import Asked, Books, Started
from .server import Server, Step

_NAMES = {
    script.sha.encode(): script.name
    for script in vars(scripts).values()
    if isinstance(script, scripts.Script)
}


def story(books: Books, server: Server) -> list[str]:
    lines: list[tuple[float, str]] = []
    for asked in books.asked:
        lines += _of_request(asked)
    for run in books.started:
        lines += _of_run(run)
    lines += [(t.at, f"  process {t.process} tells {t.event}") for t in books.told]
    lines += [
        (each.at, f"! {each.what}, process {each.process}, until {each.until:.4f}")
        for each in books.disturbances
    ]
    lines += [(at, f"  ruled: {ruling}, key {key}") for at, key, ruling in books.ruled]
    lines += [(loss.at, f"! {len(loss.names)} records lost") for loss in server.losses]
    lines += [(step.at, _of_step(step)) for step in server.steps]
    lines.sort(key=lambda line: line[0])
    return [f"{at:10.4f} {text}" for at, text in lines]


def _of_request(asked: Asked) -> Iterator[tuple[float, str]]:
    who, request = f"request {asked.number}", asked.request
    what = f"{who} of key {request.key}, variant {request.variant}"
    probe = " (probe)" if asked.is_probe else ""
    yield asked.at, f"{what}, at process {asked.process}{probe}"
    for at, kind, owner in asked.claims:
        yield at, f"  {who}: {kind} {owner[-4:].hex()}"
    if asked.answered is not None:
        told = asked.code or f"{asked.body[:12]!r}{' again' * asked.replayed}"
        yield asked.answered, f"  {who} got {asked.status} {told}"


def _of_run(run: Started) -> Iterator[tuple[float, str]]:
    who = f"run {run.number}"
    owner = (run.owner or b"")[-4:].hex() if run.protected else "no claim"
    what = f"starts for request {run.asked.number} under {owner}: {run.plan.ends}"
    yield run.at, f"{who} {what}"
    for name in ("effect", "failed", "delivering", "ended"):
        when = getattr(run, name)
        if when is not None:
            yield when, f"  {who}: {name}"


def _of_step(step: Step) -> str:
    before, after = _shown(step.before or b""), _shown(step.after or b"")
    what = f"{_NAMES.get(step.script, '?')} of process {step.process}"
    by = _shown(step.arguments[0])
    return f"      {what}, {by}: {before} -> {after} {step.error}"


def _shown(record: bytes) -> str:
    """Its state and the end of its owner token, by which they differ."""
    return f"{record[1:2].decode('latin-1')}{record[14:18].hex()}"
