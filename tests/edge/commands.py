"""The command line, as a person calls it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.__main__ import main

REPOSITORY = Path(__file__).parents[2]
URL, KEY = "https://example.org/x402", "nf_live_SECRETKEY"
ENVIRONMENT = {"NEXFLOW_FACILITATOR_URL": URL, "NEXFLOW_API_KEY": KEY}

Captured = pytest.CaptureFixture[str]


def build(
    output: Path,
    environment: Mapping[str, str] = ENVIRONMENT,
    routes: Path = REPOSITORY / "routes.toml",
) -> int:
    arguments = ["build", "--routes", str(routes), "--output", str(output)]
    return main(arguments, environment)
