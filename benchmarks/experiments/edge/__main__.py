"""`python -m benchmarks.experiments.edge`: what the gate costs.

Ratios and CPU seconds travel; milliseconds of latency are this machine's. `--json`
prints the raw figures.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.experiments.edge.costs import (
    IMPORT_RUNS,
    call_costs,
    import_costs,
    milliseconds,
    pinned,
    ratio,
)
from benchmarks.experiments.edge.latency import REQUESTS, added, latencies
from sample_origin.facilitator import BASE_PATH
from sample_origin.processes import Service
from tests.support.cloudfront_events import origin_response, viewer_request

DELAYS = (0.0, 0.02, 0.05)
# Every sign of it has another meaning to some server, so it is read in every way.
WORST_PATH = ("/a;b%3b//\\.%2e/%5c?%23 " * 400)[:8_192]
PAID = {"x402-payment": "stub-proof"}


def measure(folder: Path) -> dict[str, Any]:
    module = ["uvicorn", "sample_origin.facilitator:app"]
    facilitator = Service("facilitator", module, folder)
    facilitator.start()
    try:
        facilitator.check("/_ledger")
        loopback = _built(folder / "loopback.zip", facilitator.url + BASE_PATH)
        public = _built(folder / "public.zip", "https://facilitator.example/x402")
        figures: dict[str, Any] = {"zip": public.stat().st_size}
        figures["latency"] = latencies(facilitator, loopback, folder, DELAYS)
        figures["core"] = pinned()
        figures["import"] = import_costs(public, folder / "public")
        figures["cpu"] = _cpu(loopback, folder / "loopback")
    finally:
        facilitator.stop()
    return figures


def _built(bundle: Path, url: str) -> Path:
    """As an operator builds it: with a signing key."""
    secrets = {
        "NEXFLOW_FACILITATOR_URL": url,
        "NEXFLOW_API_KEY": "nf_test_demo",
        "EDGE_SIGNING_SECRET": "for-a-benchmark-on-this-machine-only",
        "EDGE_SIGNING_KEY_ID": "benchmark",
    }
    command = [sys.executable, "-m", "edge", "build", "--output", str(bundle)]
    built = subprocess.run(
        [*command, "--allow-test-key"],
        env=os.environ | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(built.stderr)
    return bundle


def _cpu(bundle: Path, folder: Path) -> dict[str, dict[str, list[float]]]:
    shutil.unpack_archive(bundle, folder)
    gated = [viewer_request(headers=PAID), origin_response()]
    worst = [viewer_request(WORST_PATH), origin_response(WORST_PATH)]
    return {
        "facilitator excluded": call_costs(folder, gated, "instantly"),
        "over loopback": call_costs(folder, gated, calls=100),
        "the worst path of 8,192 bytes": call_costs(
            folder, worst, "instantly", calls=10
        ),
    }


def report(figures: dict[str, Any]) -> None:
    print(f"zip                                     {figures['zip']:>8,} bytes")
    for kind, runs in figures["import"].items():
        ratios = ratio(runs)
        print(
            f"import ÷ control, {kind:22}{median(ratios):>8.2f}"
            f"  ({min(ratios):.2f}-{max(ratios):.2f}, {IMPORT_RUNS} runs;"
            f" control {milliseconds(runs['control']):.0f} ms)"
        )
    print("\nCPU of a gated request, ms      viewer-request  origin-response    both")
    for kind, triggers in figures["cpu"].items():
        verify, settle = (milliseconds(runs) for runs in triggers.values())
        print(f"{kind:30}{verify:>16.3f}{settle:>17.3f}{verify + settle:>8.3f}")
    print(
        "\nLatency of a paid request, ms: the gate adds, of that the facilitator, and"
    )
    print(f"what is neither its nor Lambda's part (medians of {REQUESTS})")
    for delay, timed in figures["latency"].items():
        whole, asking, own = added(timed)
        label = f"facilitator of {delay * 1_000:.0f} ms"
        print(f"{label:30}{whole:>16.1f}{asking:>17.1f}{own:>8.1f}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as directory:
        figures = measure(Path(directory))
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))
    else:
        report(figures)


if __name__ == "__main__":
    main()
