"""The environment variables of the paid API.

A value that cannot work ends the program with one line that names the variable.
"""

import os
import sys
from pathlib import Path

from origin_middleware import (
    ConfigurationError,
    LoggingObserver,
    MemoryStore,
    Policy,
)
from origin_middleware.signature import checked_secrets
from origin_middleware.stores.redis import RedisStore

from .ledger import Ledger

# The gate is built with the same variables: it signs, and the origin verifies.
SIGNING = "EDGE_SIGNING_SECRET", "EDGE_SIGNING_KEY_ID"
ACCEPTED = "EDGE_SIGNING_ACCEPTED_SECRET", "EDGE_SIGNING_ACCEPTED_KEY_ID"


def signing_secrets() -> dict[str, bytes]:
    """By key id. There may be two of them, for a rotation."""
    found = {}
    for names in (SIGNING, ACCEPTED):
        secret, key_id = (os.environ.get(name, "") for name in names)
        if bool(secret) != bool(key_id):
            sys.exit(f"{names[0]} and {names[1]}: set both, or neither")
        if key_id:
            found[key_id] = secret.encode()
    try:
        return checked_secrets(found)
    except ConfigurationError as exc:  # its message does not show a secret
        sys.exit(f"{SIGNING[0]}: make one with `openssl rand -hex 32` ({exc})")


def lease() -> float:
    """LEASE, in seconds."""
    text = os.environ.get("LEASE", "10")
    try:
        return Policy(lease=float(text)).lease
    except ValueError as exc:  # of float, and ConfigurationError
        sys.exit(f"LEASE={text}: give a number of seconds, such as 10 ({exc})")


def store() -> RedisStore | MemoryStore:
    """REDIS_URL."""
    url = os.environ.get("REDIS_URL")
    if not url:
        return MemoryStore()
    try:
        return RedisStore.from_url(url, observer=LoggingObserver())
    except ConfigurationError:
        # Neither the URL nor redis-py's message is shown: both may contain a password.
        sys.exit("REDIS_URL is malformed: give one such as redis://localhost:6379/0")


def ledger() -> Ledger:
    """LEDGER, a file that can be written."""
    path = Path(os.environ.get("LEDGER") or "ledger.jsonl")
    try:
        path.open("ab").close()
    except OSError as exc:
        sys.exit(f"LEDGER={path} cannot be written ({exc.strerror}): name another file")
    return Ledger(path)
