"""The whole of a run, for a person at a terminal."""

from benchmarks.correctness import NOT_ASKED, YES
from benchmarks.report.table import as_text
from benchmarks.report.tables import tables
from benchmarks.results import Results


def text(results: Results) -> str:
    parts = [as_text(table) for table in tables(results)]
    return "\n\n".join([*parts, _verdicts(results), _about(results)])


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
        f"{meta['server']}, {packages}; {meta['seconds']:.0f} s."
    )
    lines.append(
        f"Noise: floor-again is floor a second time. Of {noise['blocks']} blocks "
        f"{noise['disturbed']} were disturbed by other processes "
        f"(after {noise['repeated']} repetitions)."
    )
    return "\n".join(lines)
