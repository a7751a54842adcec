"""`make bench`: what the middleware costs, as a ratio to a control of the same run.

Measured: one request in process, from the call of the ASGI app to its return, on stock
asyncio, with a real Valkey on loopback. Not measured: the HTTP server and the client.
Rounds are interleaved; a figure is the median of the rounds' ratios, and their range.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex
from statistics import median

from redis.asyncio import Redis

from benchmarks.apps import Call, bare, caller, floor_first, floor_replay, protected
from origin_middleware.stores.redis import RedisStore
from sample_origin.redis_server import RedisServer, embedded

ROUNDS = 7
REQUESTS = 600
CONCURRENT = 64
LABELS = {
    "no key ÷ bare app": ("no key", "bare"),
    "first execution ÷ floor": ("first", "floor first"),
    "replay of 1 KiB ÷ floor": ("replay", "floor replay"),
}


async def measure(url: str) -> dict[str, dict[str, list[float]]]:
    client = Redis.from_url(url)
    store = RedisStore.from_url(url)
    app = protected(store)
    calls: dict[str, Call] = {
        "bare": caller(bare(), None),
        "no key": caller(app, None),
        "floor first": caller(floor_first(bare(), client), None),
        "first": caller(app, lambda: token_hex(16)),
        "floor replay": caller(floor_replay(client), None),
        "replay": caller(app, "always-the-same"),
    }
    await client.set("floor", b"x" * 1024)
    sequential = {name: list[float]() for name in calls}
    concurrent = {name: list[float]() for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            sequential[name].append(await _median_seconds(call))
            concurrent[name].append(await _seconds_each(call))
    await store.aclose()
    await client.aclose()
    return {"sequential": sequential, "concurrent": concurrent}


async def _median_seconds(call: Call) -> float:
    taken = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - begun)
    return median(taken)


async def _seconds_each(call: Call) -> float:
    """The time of many at once, divided by their number."""

    async def several() -> None:
        for _ in range(REQUESTS // CONCURRENT):
            await call()

    begun = time.perf_counter()
    await asyncio.gather(*(several() for _ in range(CONCURRENT)))
    return (time.perf_counter() - begun) / (REQUESTS // CONCURRENT * CONCURRENT)


def report(figures: dict[str, dict[str, list[float]]]) -> None:
    print(f"{'':26}{'one at a time':>24}{f'{CONCURRENT} at once':>24}{'median':>12}")
    for label, (name, control) in LABELS.items():
        cells = []
        for mode in ("sequential", "concurrent"):
            pairs = zip(figures[mode][name], figures[mode][control], strict=True)
            ratios = [ours / floor for ours, floor in pairs]
            cells.append(f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        micro = median(figures["sequential"][name]) * 1e6
        print(f"{label:26}{cells[0]:>24}{cells[1]:>24}{micro:>9.0f} µs")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="origin-middleware-bench-") as directory:
        server = RedisServer(embedded(), Path(directory))
        server.start()
        try:
            figures = asyncio.run(measure(server.url))
        finally:
            server.kill()
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))
    else:
        report(figures)


if __name__ == "__main__":
    main()
