"""What only the store in memory does."""

import asyncio
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from origin_middleware import MemoryStore


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def heard_at_the_start() -> list[str]:
    log, heard = logging.getLogger("origin_middleware"), Heard()
    log.addHandler(heard)
    asyncio.run(MemoryStore().check())
    log.removeHandler(heard)
    return heard.messages


def test_a_worker_is_told_that_other_workers_do_not_see_its_records() -> None:
    """As uvicorn starts them."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        [said] = pool.submit(heard_at_the_start).result()
    assert "use RedisStore" in said
    assert heard_at_the_start() == []
