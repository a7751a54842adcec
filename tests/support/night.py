"""What the tests of the command have in common."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from origin_middleware.key import Key
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore

from .stores import a_claim

NAMESPACE = "night"
WHY = ("--reason", "test", "--by", "me", "--yes")

Ask = Callable[..., Any]
"""Run the command: its exit status, and what it printed."""

ONE_SERVER = pytest.mark.parametrize("server", ["valkey"], indirect=True)


async def abandoned(store: RedisStore, intent: str = "intent-1", **terms: Any) -> str:
    """Its digest."""
    claim = a_claim(lease=10)._replace(**terms)
    assert await store.claim(Key(intent), claim) == Claimed()
    assert await store.abandon(Key(intent), claim)
    return digest(intent)


def digest(intent: str) -> str:
    return hashlib.sha256(intent.encode()).hexdigest()
