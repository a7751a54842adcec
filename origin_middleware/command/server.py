"""stats and check: the server behind the store."""

import argparse
import asyncio
from collections import Counter
from math import sqrt
from typing import Any

from ..errors import RecordDamaged
from ..record import State
from ..stores.redis.records import Records
from .numbers import count
from .talking import Talk

_STATES: tuple[State, ...] = (
    *("in progress", "abandoned", "released", "completed", "not replayable"),
)


def add(commands: Any, server: argparse.ArgumentParser) -> None:
    stats = commands.add_parser(
        "stats",
        parents=[server],
        help="how many records there are, by state: an estimate from a sample",
    )
    stats.add_argument("--sample", type=count, default=1_000, metavar="N")
    stats.add_argument(
        "--prometheus", action="store_true", help="in the text format of Prometheus"
    )
    stats.set_defaults(run=show_stats)
    check = commands.add_parser(
        "check", parents=[server], help="may this server be trusted with claims?"
    )
    check.set_defaults(run=check_server)


async def show_stats(options: argparse.Namespace, talk: Talk, records: Records) -> int:
    keys = await records.keys_of_the_server()
    names = await records.sample(options.sample)
    counts: Counter[str] = Counter()
    for seen in await asyncio.gather(
        *(records.look(name) for name in names), return_exceptions=True
    ):
        if isinstance(seen, RecordDamaged):
            counts["damaged"] += 1
        elif isinstance(seen, BaseException):
            raise seen
        elif seen is not None:
            counts[seen.state] += 1
    share = {state: counts[state] / options.sample for state in (*_STATES, "damaged")}
    if options.prometheus:
        print("# HELP origin_middleware_records Records, by state; an estimate.")
        print("# TYPE origin_middleware_records gauge")
        for state, part in share.items():
            label = state.replace(" ", "_")
            print(f'origin_middleware_records{{state="{label}"}} {part * keys:.0f}')
        return 0
    talk.say(f"{keys:,} keys on the server; a sample of {options.sample:,}:")
    for state, part in share.items():
        error = 1.96 * sqrt(part * (1 - part) / options.sample)
        talk.say(f"  {state:15} {part * keys:10,.0f}  ± {error * keys:,.0f}")
    talk.tell(keys=keys, sample=options.sample, share=share)
    if share["abandoned"]:
        talk.say("next: origin-middleware list --abandoned")
    return 0


async def check_server(_: argparse.Namespace, talk: Talk, records: Records) -> int:
    """Raises StoreUnavailable, which says what to do."""
    await records.check()
    found = []
    for address, facts in (await records.servers()).items():
        found.append(_eviction(facts.maxmemory_policy, address))
        found.append(_persistence(facts.aof_enabled, address))
    offset = abs(await records.clock_offset())
    found.append(
        (
            offset < 5.0,
            f"the clocks of this machine and the server differ by {offset:.1f} s"
            + ("" if offset < 5.0 else ": run NTP on both; signatures expire by it"),
        )
    )
    for holds, words in found:
        talk.say(f"{'✓' if holds else '✗'} {words}")
        talk.tell(holds=holds, finding=words)
    return int(not all(holds for holds, _ in found))


def _eviction(policy: str, address: str) -> tuple[bool, str]:
    where = f" at {address}" if address else ""
    if policy == "noeviction":
        return True, f"records are not evicted{where} (maxmemory-policy noeviction)"
    said = policy or "not told by INFO"
    return False, (
        f"records may be evicted{where} (maxmemory-policy {said}): a retry would run "
        "the handler again. Set it to noeviction"
    )


def _persistence(aof: str, address: str) -> tuple[bool, str]:
    where = f" at {address}" if address else ""
    if aof not in ("", "0"):
        return True, f"records survive a restart{where} (appendonly yes)"
    return False, (
        f"records are kept in memory only{where} (appendonly no): when it stops, they "
        "are lost, and retries run handlers again. Set appendonly yes"
    )
