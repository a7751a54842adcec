"""The recipe of docs/x402.md as it is deployed: two uvicorn workers and a Valkey."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.running import command
from tests.support.servers import running, valkey
from tests.support.x402_facilitator import Facilitator, facilitating
from tests.support.x402_trade import Buyer, receipt, statuses

pytestmark = pytest.mark.slow


@dataclass
class Deployment(Buyer):
    http: httpx.AsyncClient
    facilitator: Facilitator
    ledger: Path

    def __post_init__(self) -> None:
        super().__init__(self.http)

    @property
    def executions(self) -> int:
        return len(self.ledger.read_text().split())


@asynccontextmanager
async def deployed(directory: Path, dies: str = "never") -> AsyncIterator[Deployment]:
    ledger = directory / "ledger"
    ledger.touch()
    with facilitating() as (facilitator, url), running(valkey()) as server:
        settings = {
            "SHOP_FACILITATOR": url,
            "SHOP_REDIS": server.url,
            "SHOP_LEDGER": str(ledger),
            "SHOP_DIES": dies,
        }
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            at = f"http://127.0.0.1:{listener.getsockname()[1]}"
            shop = ("--factory", "tests.support.x402_shop:from_environment")
            options = ("--workers", "2", "--fd", str(listener.fileno()))
            with pytest.MonkeyPatch.context() as environment:
                for name, value in settings.items():
                    environment.setenv(name, value)
                serving = command(
                    "-m", "uvicorn", *options, *shop, fds=(listener.fileno(),)
                )
                with serving as supervisor:
                    async with httpx.AsyncClient(base_url=at, timeout=60) as http:
                        yield Deployment(http, facilitator, ledger)
                    supervisor.terminate()  # and with it, its workers
                    supervisor.wait()


async def test_duplicates_on_two_workers(tmp_path: Path) -> None:
    async with deployed(tmp_path) as shop:
        payment = await shop.sign()
        answers = await shop.ask_all([payment] * 40)
        answers += [await shop.ask(payment) for _ in range(10)]
        assert statuses(answers) == {200: 50}
        assert len({receipt(answer).transaction for answer in answers}) == 1
        assert (shop.executions, shop.facilitator.settled) == (1, 1)
        assert shop.facilitator.paid == 1


@pytest.mark.parametrize("dies", ["before asking", "while asking", "after asking"])
async def test_a_process_killed_between_handler_and_settlement(
    tmp_path: Path, dies: str
) -> None:
    async with deployed(tmp_path, dies) as shop:
        payment = await shop.sign()
        with pytest.raises(httpx.TransportError):
            await shop.ask(payment)
        assert shop.executions == 1
        assert shop.facilitator.paid == (1 if dies == "after asking" else 0)
        retry = await shop.ask(payment)
        assert retry.status_code == 200
        assert receipt(retry).success
        assert (shop.executions, shop.facilitator.paid) == (1, 1)
