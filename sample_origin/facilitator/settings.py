"""Whom the facilitator serves, how often, and for how long a proof is good."""

from dataclasses import dataclass

BASE_PATH = "/api/v1/facilitator/x402"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen."""

    keys: frozenset[str] = frozenset({"nf_test_demo", "nf_live_demo"})
    calls_per_minute: int = 6_000
    proof_validity: float = 3_600.0  # seconds, from the first verification
    base_path: str = BASE_PATH

    def __post_init__(self) -> None:
        if not all(key.startswith(("nf_test_", "nf_live_")) for key in self.keys):
            raise ValueError("a key begins with nf_test_ or nf_live_")
        if self.calls_per_minute < 1 or self.proof_validity <= 0:
            raise ValueError("calls_per_minute and proof_validity must be positive")
        if not self.base_path.startswith("/") or self.base_path.endswith("/"):
            raise ValueError("the base path begins with / and does not end with it")
