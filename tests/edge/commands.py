"""The command line, as a person calls it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.__main__ import main

REPOSITORY = Path(__file__).parents[2]
URL, KEY = "https://example.org/x402", "nf_live_SECRETKEY"
SIGNING = {
    "EDGE_SIGNING_SECRET": "0123456789-SIGNINGSECRET-abcdefghij",
    "EDGE_SIGNING_KEY_ID": "2026-02",
}
ACCEPTED = {
    "EDGE_SIGNING_ACCEPTED_SECRET": "abcdefghij-ACCEPTEDSECRET-0123456789",
    "EDGE_SIGNING_ACCEPTED_KEY_ID": "2026-01",
}
ENVIRONMENT = {"NEXFLOW_FACILITATOR_URL": URL, "NEXFLOW_API_KEY": KEY} | SIGNING

STANDARD = """
facilitator = "x402"
[[route]]
path = "/api/joke"
resource_id = "joke"
[[route.accepts]]
network = "eip155:8453"
price = "$0.01"
pay_to = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
"""
"""A routes.toml for a standard facilitator."""

Captured = pytest.CaptureFixture[str]


def build(
    output: Path,
    environment: Mapping[str, str] = ENVIRONMENT,
    routes: Path = REPOSITORY / "routes.toml",
    *options: str,
) -> int:
    arguments = ["build", "--routes", str(routes), "--output", str(output), *options]
    return main(arguments, environment)
