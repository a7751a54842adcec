"""The page as people use it, in a real Chromium.

The picture of the README: SCREENSHOT=docs/page.png pytest -m slow FILE
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from operator import add
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sample_origin.machine import Counts, Machine
from sample_origin.page import serving
from sample_origin.page.buttons import BY_NAME

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
# The sandbox needs rights that containers do not give, and nothing but our page runs.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(18, 22, 28)"
NUMBERS = "payments", "effects", "settlements"
PATIENCE = 40_000  # milliseconds, on a busy machine

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, machine: Machine, **options: object) -> Iterator[Page]:
    """The page, which must not complain: also not about its own policy."""
    complaints: list[str] = []
    with serving(machine) as url:
        page = browser.new_page(**options)  # type: ignore[arg-type] # names and kinds are the caller's
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        expect(page.get_by_text("Press a button.")).to_be_visible()
        yield page
        page.close()
    assert complaints == []


def numbers(page: Page, expected: Counts) -> None:
    for name, number in zip(NUMBERS, expected, strict=True):
        expect(page.locator(f"#{name}")).to_have_text(str(number), timeout=PATIENCE)


def verdicts(page: Page, number: int) -> None:
    """So many steps have been played, and each held."""
    expect(page.locator("#said .holds, #said .fails")).to_have_count(
        number, timeout=PATIENCE
    )
    expect(page.locator("#said .fails")).to_have_count(0)


# payments, side effects and settlements that a press adds
ADDED = {
    "Do not pay": (0, 0, 0),
    "Pay": (1, 1, 1),
    "Retry": (0, 0, 0),
    "Retry × 50": (1, 1, 1),
    "Pay with another body": (0, 0, 0),
    "Pay for something else": (0, 0, 0),
    "Pay for a slow answer": (1, 1, 1),
    "Stop the facilitator at verify": (1, 1, 1),
    "Stop the facilitator at settle": (1, 1, 1),
    "Let the origin fail": (1, 1, 1),
    "Forge an intent": (1, 1, 1),
    "Go around the gate": (0, 0, 0),
    "Stop Redis": (2, 1, 1),
    "Start Redis": (0, 1, 1),
    "Kill the worker before its effects": (1, 1, 1),
    "Kill the worker after them": (1, 1, 0),
}


@pytest.mark.slow
def test_every_button_does_what_it_says(
    browser: Browser, machine: Machine, tmp_path: Path
) -> None:
    assert ADDED.keys() == {button.label for button in BY_NAME.values()}
    sums = machine.counts()
    view = {"width": 1280, "height": 800}
    with opened(browser, machine, viewport=view, reduced_motion="reduce") as page:
        for played, (label, added) in enumerate(ADDED.items(), 1):
            button = page.get_by_role("button", name=label, exact=True)
            expect(button).to_have_attribute("aria-disabled", "false")
            button.click()
            verdicts(page, played)
            sums = Counts(*map(add, sums, added))
            numbers(page, sums)
        expect(page.locator(".row").last).to_have_css("animation-name", "none")
        expect(page.locator("body")).to_have_css("background-color", LIGHT)
        picture = Path(os.environ.get("SCREENSHOT", tmp_path / "page.png"))
        page.screenshot(path=picture)
    assert picture.stat().st_size < 200_000


def test_the_keyboard_is_enough(browser: Browser, machine: Machine) -> None:
    expected = Counts(*(number + 1 for number in machine.counts()))
    with opened(browser, machine, color_scheme="dark") as page:
        expect(page.locator("body")).to_have_css("background-color", DARK)
        focused = page.locator(":focus")
        page.keyboard.press("Tab")
        expect(focused).to_have_text("Pay")
        page.keyboard.press("Enter")
        verdicts(page, 1)
        expect(focused).to_have_text("Pay")
        page.keyboard.press("Tab")
        expect(focused).to_have_text("Retry")
        expect(focused).to_have_attribute("aria-disabled", "false")
        page.keyboard.press("Space")
        verdicts(page, 2)
        numbers(page, expected)

        first = "client to CloudFront: POST /premium/report"
        last = "CloudFront to client: 201 replayed"
        expect(page.locator(f'[aria-label="{last}"]')).to_have_count(1)
        while focused.get_attribute("role") != "button":
            page.keyboard.press("Tab")
        move(page, "ArrowDown", first)  # a worker that starts may be above it
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="POST /premium/report")
        expect(dialog).to_contain_text("x402-payment")
        expect(dialog).to_contain_text("sha256:")
        expect(dialog).not_to_contain_text("tea-")
        expect(dialog).to_contain_text('"topic": "tea"')
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(focused).to_have_attribute("aria-label", first)
        page.keyboard.press("End")
        move(page, "ArrowUp", last)


def move(page: Page, key: str, label: str) -> None:
    """From one message to the next, until this one has the focus."""
    for _ in range(page.locator(".row").count()):
        if page.locator(":focus").get_attribute("aria-label") == label:
            return
        page.keyboard.press(key)
    expect(page.locator(":focus")).to_have_attribute("aria-label", label)


@pytest.mark.slow
def test_it_fits_a_phone(browser: Browser, machine: Machine) -> None:
    view = {"width": 320, "height": 640}
    with opened(browser, machine, viewport=view, has_touch=True) as page:
        page.get_by_role("button", name="Pay", exact=True).tap()
        verdicts(page, 1)
        page.locator(".row").first.tap()
        page.get_by_role("button", name="Close").tap()
        expect(page.locator(".row").last).to_have_css("animation-name", "appear")
        # Nothing is wider than the screen, and the numbers stay in sight.
        page.locator(".row").last.scroll_into_view_if_needed()
        expect(page.locator("#settlements")).to_be_in_viewport()
        boxes = [page.locator(name).bounding_box() for name in ("html", "main", "svg")]
        assert all(box is not None and box["width"] <= 320 for box in boxes)
        button = page.get_by_role("button", name="Retry", exact=True).bounding_box()
        assert button is not None
        assert button["height"] >= 44
