"""The server of the page, over a socket: what it tells, and whom it obeys."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sample_origin.machine import Counts, Machine
from sample_origin.page import serving
from sample_origin.page.buttons import BY_NAME, Button, NotNowError, Player
from sample_origin.page.feed import WORKERS, Feed, Lanes, Tail
from sample_origin.steps import STEPS
from sample_origin.story import StepError, Story


@pytest.fixture(scope="module")
def url(machine: Machine) -> Iterator[str]:
    with serving(machine) as url:
        yield url


Event = tuple[int, str, dict[str, Any]]


def events(url: str, after: int = 0) -> Iterator[Event]:
    headers = {"last-event-id": str(after)}
    with httpx.stream("GET", f"{url}/events", headers=headers, timeout=30) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        number, kind = 0, ""
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                kind = value
            elif name == "data":
                yield number, kind, json.loads(value)


@pytest.fixture(scope="module")
def stream(url: str) -> Iterator[Event]:
    """One browser, from the first event on."""
    return events(url)


def press(url: str, name: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/press/{name}", headers={"origin": url} | headers)


def until_settled(stream: Iterator[Event], expected: Counts) -> list[Event]:
    """A verdict, the last message, and the numbers: in any order."""
    told: list[Event] = []
    missing = {"verdict", "answer", "number"}
    for event in stream:
        told.append(event)
        _, kind, facts = event
        if kind == "verdict":
            missing.discard("verdict")
        elif kind == "message" and facts["to"] == "client":
            missing.discard("answer")
        elif kind == "state" and facts["settlements"] == expected.settlements:
            missing.discard("number")
        if not missing:
            return told
    raise AssertionError(told)


def pressed(url: str, stream: Iterator[Event], name: str) -> dict[str, Any]:
    """Its verdict, once the next button can be pressed."""
    assert press(url, name).status_code == 202
    verdict: dict[str, Any] = {}
    is_mine = False
    for _, kind, facts in stream:
        is_mine = is_mine or (kind == "step" and facts["label"] == BY_NAME[name].label)
        if is_mine and kind == "verdict":
            verdict = facts
        if verdict and kind == "state" and facts["reasons"]["payment"] is None:
            return verdict
    raise AssertionError(verdict)


def test_every_step_of_the_story_has_a_button() -> None:
    """So that the page and the demo cannot differ."""
    assert {button.step for button in BY_NAME.values()} == {*STEPS}


def test_a_button_plays_its_step_and_the_messages_arrive(
    url: str, stream: Iterator[Event], machine: Machine
) -> None:
    expected = Counts(*(number + 1 for number in machine.counts()))
    assert press(url, "payment").status_code == 202
    told = until_settled(stream, expected)
    messages = [facts for _, kind, facts in told if kind == "message"]
    (worker,) = {each["to"] for each in messages if each["from"] == "cloudfront"} & {
        *WORKERS
    }
    # The other one may still be starting.
    others = {*WORKERS} - {worker}
    ways = [
        (each["from"], each["to"])
        for each in messages
        if each["from"] != each["to"] and each["from"] not in others
    ]
    assert ways == [
        ("client", "cloudfront"),
        ("cloudfront", "gate"),
        ("gate", "facilitator"),
        ("facilitator", "gate"),
        ("gate", "cloudfront"),
        ("cloudfront", worker),
        (worker, "redis"),
        (worker, "redis"),
        (worker, "redis"),
        (worker, "cloudfront"),
        ("cloudfront", "gate"),
        ("gate", "facilitator"),
        ("facilitator", "gate"),
        ("gate", "cloudfront"),
        ("cloudfront", "client"),
    ]
    assert machine.counts() == expected
    *_, facts = (facts for _, kind, facts in told if kind == "state")
    assert (facts["payments"], facts["effects"]) == expected[:2]
    *_, last = told
    assert next(events(url, after=last[0] - 1)) == last
    assert next(events(url, after=10**9))[0] == 1, "of a page that was restarted"


def test_a_facilitator_that_was_away_counts_no_payment_twice(
    url: str, stream: Iterator[Event]
) -> None:
    """What it had settled is in its memory, and its memory is gone."""
    for name in ("payment", "no_facilitator_at_verify", "retry"):
        assert pressed(url, stream, name) == {"holds": True, "text": "Holds."}


def test_a_redis_that_died_by_itself_can_be_started(machine: Machine) -> None:
    with serving(machine) as url:
        machine.redis.kill()
        stream = events(url)
        verdict = pressed(url, stream, "redis_starts")
        assert not verdict["holds"]  # no payment was made before
        assert machine.redis.alive
        assert pressed(url, stream, "payment")["holds"]


def test_an_open_stream_ends_with_the_page(machine: Machine) -> None:
    with serving(machine) as url:
        stream = events(url)
        next(stream)
    rest = list(stream)  # complete: a response that is broken off raises
    assert len(rest) < 10


def test_a_button_that_makes_no_sense_now_says_why(url: str) -> None:
    refused = press(url, "redis_starts")
    assert (refused.status_code, refused.text) == (409, "Redis is running.")
    assert press(url, "another").status_code == 404


async def test_one_step_is_played_at_a_time(machine: Machine) -> None:
    release = asyncio.Event()

    async def waits(story: Story) -> None:
        """Until it may end"""
        story.say("waiting")
        await release.wait()
        raise StepError("it was told to end")

    feed, button = Feed(), Button("Wait", waits)
    told = feed.after(0)
    async with httpx.AsyncClient() as http:
        player = Player(machine, http, feed, lambda: None)
        player.press(button)
        text = ""
        while "waiting" not in text:
            text += await anext(told)
        with pytest.raises(NotNowError, match="“Wait” is still running"):
            player.press(BY_NAME["payment"])
        with pytest.raises(NotNowError, match="still running"):
            player.press(button)
        release.set()
        while "verdict" not in text:
            text += await anext(told)
        assert "Does not hold: it was told to end" in text
        await player.stop()
        assert player.why_not(BY_NAME["payment"]) is None
        assert player.why_not(BY_NAME["retry"]) == (
            "There is no payment yet. Press “Pay” first."
        )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"origin": ""},
    ],
)
def test_a_page_of_somebody_else_presses_nothing(
    url: str, machine: Machine, headers: dict[str, str]
) -> None:
    before = machine.counts()
    assert press(url, "payment", **headers).status_code == 403
    assert httpx.post(f"{url}/press/payment").status_code == 403
    assert machine.counts() == before


def test_another_host_name_is_refused_though_it_leads_here(url: str) -> None:
    """DNS rebinding: the browser takes the answer for that of the other name."""
    port = url.rpartition(":")[2]
    for name in ("evil.example", "127.0.0.1.evil.example", "[::1]"):
        host = f"{name}:{port}"
        headers = {"host": host, "origin": f"http://{host}"}
        assert httpx.get(url, headers=headers).status_code == 400
        assert httpx.post(f"{url}/press/payment", headers=headers).status_code == 400
    assert httpx.get(url.replace("127.0.0.1", "localhost")).status_code == 200


def test_a_page_may_load_nothing_but_its_own_files(url: str) -> None:
    for path in ("", "/page.js", "/page.css", "/icon.svg"):
        answer = httpx.get(url + path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "*" not in policy
    page = httpx.get(url).text
    assert "<style" not in page
    assert " style=" not in page


def test_a_new_worker_has_the_lane_of_the_dead_one() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lanes = Lanes()
    assert lanes.of(dead.pid) == "worker 1"
    assert lanes.of(os.getpid()) == "worker 1"
    assert lanes.of(os.getppid()) == "worker 2"
    assert lanes.of(os.getpid()) == "worker 1"


def test_a_line_that_is_half_written_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    line = json.dumps({"pid": 1, "from": "gate", "to": "gate", "title": "t"}) + "\n"
    path.write_text(line + line[:9])
    tail = Tail(path)
    assert len(tail.read()) == 1
    with path.open("a") as file:
        file.write(line[9:])
    assert [each["title"] for each in tail.read()] == ["t"]
    assert tail.read() == []
    tail.close()
