"""The names that users may rely on, and what installing them costs."""

import subprocess
import sys
from pathlib import Path

import origin_middleware

PUBLIC = {
    "Abandoned",
    "Absent",
    "Answer",
    "Attempt",
    "Checks",
    "Claim",
    "ClaimLost",
    "ClaimMissing",
    "Claimed",
    "Completed",
    "ConfigurationError",
    "Event",
    "Evidence",
    "Executed",
    "Exhausted",
    "Facts",
    "Failed",
    "FailedAfterRecord",
    "Fingerprint",
    "Finished",
    "Held",
    "IdempotencyMiddleware",
    "Key",
    "LeaseLost",
    "LoggingObserver",
    "MalformedKey",
    "MemoryStore",
    "NotRecorded",
    "NotReplayable",
    "Observer",
    "OriginMiddlewareError",
    "Outcome",
    "OwnerToken",
    "Policy",
    "Preceded",
    "ProvenKey",
    "RanUnprotected",
    "Reconciled",
    "Reconciler",
    "RecordDamaged",
    "Recorded",
    "RecordedLate",
    "Refusal",
    "Refused",
    "Replayed",
    "Ruling",
    "Started",
    "Store",
    "StoreCalled",
    "StoreError",
    "StoreUnavailable",
    "StoreUnsafe",
    "StoredResponse",
    "Superseded",
    "TakenOver",
    "Undelivered",
    "WriteRefused",
    "attempt_of",
    "drain",
}


ROOT = str(Path(origin_middleware.__file__).parent.parent)


def test_the_public_names_are_these() -> None:
    assert set(origin_middleware.__all__) == PUBLIC
    assert all(hasattr(origin_middleware, name) for name in PUBLIC)


def isolated(statement: str) -> "subprocess.CompletedProcess[str]":
    """-I and -S: what is installed beside the package cannot be seen at all."""
    code = f"import sys; sys.path.insert(0, {ROOT!r}); {statement}"
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_but_the_standard_library_is_imported() -> None:
    assert isolated("import origin_middleware").stderr == ""


def test_without_redis_the_message_says_what_to_install() -> None:
    failed = isolated("import origin_middleware.stores.redis")
    assert "pip install 'origin-middleware[redis]'" in failed.stderr
