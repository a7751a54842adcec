"""The example of docs/x402.md runs, and does what the text beside it says."""

import re
import runpy
from pathlib import Path

import httpx

from tests.support.running import serving
from tests.support.servers import running, valkey
from tests.support.x402_facilitator import facilitating
from tests.support.x402_trade import Buyer, receipt, statuses

PAGE = Path(__file__).parents[2] / "docs" / "x402.md"
EXAMPLE = re.compile(r"^```python\n(from fastapi.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_example_without_a_gate(tmp_path: Path) -> None:
    (code,) = re.findall(
        r"^```python\n(from fastapi.*?)^```$",
        PAGE.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    with facilitating() as (facilitator, url), running(valkey()) as server:
        code = code.replace("https://facilitator.test", url)
        code = code.replace("redis://localhost:6379", server.url)
        file = tmp_path / "example.py"
        file.write_text(code)
        names = runpy.run_path(str(file))
        sold: list[str] = []

        async def report() -> int:
            sold.append("report")
            return len(sold)

        names["app"].post("/reports")(report)
        names["app"].delete("/connections")(names["facilitator"].aclose)
        with serving(names["app"]) as at:
            async with httpx.AsyncClient(base_url=at) as http:
                shop = Buyer(http)
                payment = await shop.sign("/reports")
                answers = [await shop.ask(payment, "/reports") for _ in range(3)]
                assert (await http.get("/openapi.json")).status_code == 200
                await http.delete("/connections")
    assert statuses(answers) == {200: 3}
    assert {receipt(answer).transaction for answer in answers} == {
        facilitator.chain.transactions[0]
    }
    assert sold == ["report"]
