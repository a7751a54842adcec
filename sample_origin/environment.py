"""What the paid API reads from its environment.

A value that cannot work ends the program with one line that names the variable.
"""

import os
import sys
from pathlib import Path

from origin_middleware import ConfigurationError, MemoryStore, Policy
from origin_middleware.stores.redis import RedisStore

from .ledger import Ledger


def paid_policy() -> Policy:
    """LEASE, in seconds."""
    text = os.environ.get("LEASE", "10")
    try:
        return Policy(require_key=True, lease=float(text))
    except ValueError as exc:  # of float, and ConfigurationError
        sys.exit(f"LEASE={text}: give a number of seconds, such as 10 ({exc})")


def store() -> RedisStore | MemoryStore:
    """REDIS_URL."""
    url = os.environ.get("REDIS_URL")
    if not url:
        return MemoryStore()
    try:
        return RedisStore.from_url(url)
    except ConfigurationError:
        # Without the URL and what redis-py says of it, which may quote a password.
        sys.exit("REDIS_URL is malformed: give one such as redis://localhost:6379/0")


def ledger() -> Ledger:
    """LEDGER, a file that can be written."""
    path = Path(os.environ.get("LEDGER") or "ledger.jsonl")
    try:
        path.open("ab").close()
    except OSError as exc:
        sys.exit(f"LEDGER={path} cannot be written ({exc.strerror}): name another file")
    return Ledger(path)
