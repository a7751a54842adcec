"""Which store is meant, and which record."""

import argparse
import importlib
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import ConfigurationError, OriginMiddlewareError, StoreUnsafe
from ..key import Key, MalformedKey, checked_key, key_digest, tenants_key
from ..stores.redis import RedisStore
from ..stores.redis.records import Records

_DIGEST = re.compile(r"(?:sha256:|urn:origin-middleware:record:)([0-9a-f]{64})")
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")

_NAMESPACE = "idem"

# A person waits longer than a request, for a server that is slow.
_BUDGET = 5.0


class CannotAsk(Exception):
    """Why the store was not asked, and what to do about it."""


@asynccontextmanager
async def opened(options: argparse.Namespace) -> AsyncIterator[Records]:
    """Raises CannotAsk, also for whatever the store raises meanwhile."""
    store = _store(options)
    # What may be evicted can be read all the same; `check` says it.
    records = store.like(Records, budget=max(store.budget, _BUDGET), on_eviction="warn")
    try:
        yield records
    except StoreUnsafe as error:
        advice = "" if options.store else " Name your RedisStore with --store."
        raise CannotAsk(f"{error}{advice}") from error
    except OriginMiddlewareError as error:
        raise CannotAsk(str(error)) from error
    finally:
        await records.aclose()


def add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "key",
        metavar="KEY",
        help="the settlement intent, or - to read it from standard input, because "
        "shells keep histories; or sha256:HEX, as logs and problem documents have it",
    )
    parser.add_argument(
        "--literal",
        action="store_true",
        help="KEY is the key itself, though it looks like a digest",
    )
    parser.add_argument("--tenant", help="whose key it is, where tenant_of is used")


def shows_key(options: argparse.Namespace) -> bool:
    """Is a key, which is a bearer of value, an argument: in the history of the shell,
    and in the list of the machine's processes?
    """
    given: str = getattr(options, "key", "-")
    return given != "-" and (options.literal or not _is_digest(given))


def digest_of(options: argparse.Namespace) -> Key:
    """The digest of the key, by which `Records` knows its record. Raises CannotAsk."""
    given: str = options.key
    if given == "-":
        # Not of sys.stdin, which reads ahead: a body may follow.
        given = sys.stdin.buffer.readline().decode(errors="replace").strip()
    if not options.literal and _is_digest(given):
        return _digest(given)
    key = checked_key(given, "KEY")
    if isinstance(key, MalformedKey):
        raise CannotAsk(key.reason)
    whole = key if options.tenant is None else tenants_key(key, options.tenant)
    return Key(key_digest(whole))


def _is_digest(given: str) -> bool:
    """Or what may be meant as one."""
    begins = given.startswith(("sha256:", "urn:origin-middleware:"))
    return begins or bool(_HEXADECIMAL.fullmatch(given))


def _digest(given: str) -> Key:
    if found := _DIGEST.fullmatch(given):
        return Key(found[1])
    if _HEXADECIMAL.fullmatch(given):
        raise CannotAsk(
            "64 hexadecimal digits may be a digest or a key. Write sha256: before a "
            "digest; with --literal, it is a key."
        )
    raise CannotAsk(
        f"{given}: a digest has 64 hexadecimal digits. Logs before version 0.1 shorten "
        "it; take the whole one from the problem document's `instance`."
    )


def namespace_of(options: argparse.Namespace) -> str:
    """Asks no server. Raises CannotAsk."""
    if options.store is not None:
        return _store(options).like(Records).namespace
    return _NAMESPACE if options.namespace is None else options.namespace


def _store(options: argparse.Namespace) -> RedisStore:
    if options.store is not None:
        if (options.url, options.namespace) != (None, None):
            raise CannotAsk("--store has a server and a namespace: name no others.")
        return _imported(options.store)
    if options.url == "":
        raise CannotAsk("--url is empty: is the variable set that it comes from?")
    url = options.url or os.environ.get("REDIS_URL")
    if not url:
        raise CannotAsk(
            "Which server? Give --store shop.main:store (your RedisStore), or --url "
            "redis://… and --namespace, or set REDIS_URL."
        )
    try:
        return RedisStore.from_url(url, namespace=namespace_of(options))
    except ConfigurationError as wrong:
        raise CannotAsk(str(wrong)) from wrong


def _imported(place: str) -> RedisStore:
    module, colon, name = place.partition(":")
    if not colon:
        raise CannotAsk(f"--store {place}: write MODULE:NAME, as shop.main:store.")
    sys.path.insert(0, str(Path.cwd()))  # as uvicorn does
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # whatever a module of yours raises
        why = f"{type(error).__name__}: {error}"
        raise CannotAsk(f"--store {place}: {why}.") from error
    if not isinstance(found, RedisStore):
        raise CannotAsk(
            f"--store {place} is a {type(found).__name__}, and only a RedisStore can "
            "be read from another process."
        )
    return found
