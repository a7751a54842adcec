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
    CDP_SECRET,
    IMPORT_RUNS,
    call_costs,
    import_costs,
    milliseconds,
    pinned,
    ratio,
    token_costs,
)
from benchmarks.experiments.edge.latency import REQUESTS, added, latencies
from sample_origin.facilitator import BASE_PATH
from sample_origin.processes import Service
from tests.support.cloudfront_events import origin_response, viewer_request
from tests.support.payments import pay

ROUTES = """
facilitator = "x402"
auth = "cdp"
[[route]]
path = "/api/joke"
resource_id = "joke"
[[route.accepts]]
network = "eip155:84532"
amount = "1000"
pay_to = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
"""
"""Takes what tests.support.payments pays."""

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
        x402 = _built_x402(folder)
        figures: dict[str, Any] = {
            "zip": {"NexFlow": public.stat().st_size, "x402": x402.stat().st_size}
        }
        figures["latency"] = latencies(facilitator, loopback, folder, DELAYS)
        figures["core"] = pinned()
        figures["import"] = {
            "NexFlow": import_costs(public, folder / "public"),
            "x402": import_costs(x402, folder / "x402"),
        }
        figures["cpu"] = _cpu(loopback, folder / "loopback")
        figures["cpu"] |= _cpu_x402(folder / "x402" / "bare")
        figures["token"] = token_costs(folder / "x402" / "bare")
    finally:
        facilitator.stop()
    return figures


def _built(bundle: Path, url: str) -> Path:
    """As an operator builds it: with a signing key."""
    secrets = {"NEXFLOW_FACILITATOR_URL": url, "NEXFLOW_API_KEY": "nf_test_demo"}
    return _build(bundle, secrets, "--allow-test-key")


def _built_x402(folder: Path) -> Path:
    """With CDP's key, which costs most."""
    routes = folder / "routes.toml"
    routes.write_text(ROUTES)
    secrets = {
        "X402_FACILITATOR_URL": "https://facilitator.example/platform/v2/x402",
        "CDP_API_KEY_ID": "benchmark",
        "CDP_API_KEY_SECRET": CDP_SECRET,
    }
    return _build(folder / "x402.zip", secrets, "--routes", str(routes), "--offline")


def _build(bundle: Path, secrets: dict[str, str], *options: str) -> Path:
    signing = {
        "EDGE_SIGNING_SECRET": "for-a-benchmark-on-this-machine-only",
        "EDGE_SIGNING_KEY_ID": "benchmark",
    }
    command = [sys.executable, "-m", "edge", "build", "--output", str(bundle)]
    built = subprocess.run(
        [*command, *options],
        env=os.environ | secrets | signing,
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
            folder, worst, "instantly", "free", calls=10
        ),
    }


def _cpu_x402(folder: Path) -> dict[str, dict[str, list[float]]]:
    gated = [viewer_request(headers={"payment-signature": pay()}), origin_response()]
    return {"x402, facilitator excluded": call_costs(folder, gated, "instantly")}


def report(figures: dict[str, Any]) -> None:
    for name, size in figures["zip"].items():
        print(f"zip, {name:35}{size:>8,} bytes")
    for name, kinds in figures["import"].items():
        for kind, runs in kinds.items():
            ratios = ratio(runs)
            print(
                f"import ÷ control, {name + ', ' + kind:27}{median(ratios):>8.2f}"
                f"  ({min(ratios):.2f}-{max(ratios):.2f}, {IMPORT_RUNS} runs;"
                f" control {milliseconds(runs['control']):.0f} ms)"
            )
    token = milliseconds(figures["token"])
    print(f"a fresh token of CDP's, ms              {token:>8.1f}")
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
