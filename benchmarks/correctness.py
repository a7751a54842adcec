"""What a row gets wrong, asked in its process: one retry of one request, each time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from benchmarks.app import Handlers
from benchmarks.client import Call, Client
from benchmarks.timing import new_key

YES = "yes"
NOT_ASKED = "n/a"

_RECORD_WITHIN = 0.01
_ANSWERED_WITHIN = 15.0

Question = Callable[[Client, Handlers], Awaitable[str]]


class Twice(NamedTuple):
    first: Call
    again: Call
    executions: int


async def verdicts(
    client: Client, handlers: Handlers, *, keeps_responses: bool
) -> dict[str, str]:
    """By question: `yes`, or what the row does instead."""
    found = {}
    for title, question in QUESTIONS.items():
        if title in _OF_RESPONSES and not keeps_responses:
            found[title] = NOT_ASKED
            continue
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN):
                found[title] = await question(client, handlers)
        except TimeoutError:
            found[title] = "no answer"
    return found


async def _cookies(client: Client, handlers: Handlers) -> str:
    twice = await _ask_twice(client, handlers, "/cookies")
    lines = [len(x.lines(b"set-cookie")) for x in (twice.first, twice.again)]
    if _verdict(twice, 200) == YES and lines != [2, 2]:
        return f"{lines[0]} of 2, then {lines[1]}"
    return _verdict(twice, 200)


async def _no_content(client: Client, handlers: Handlers) -> str:
    return _verdict(await _ask_twice(client, handlers, "/no-content"), 204)


async def _binary(client: Client, handlers: Handlers) -> str:
    twice = await _ask_twice(client, handlers, "/binary")
    if twice.first.status == 200 and twice.first.body != bytes(range(256)):
        return "spoils the first answer"
    return _verdict(twice, 200)


async def _stream(client: Client, handlers: Handlers) -> str:
    twice = await _ask_twice(client, handlers, "/stream")
    if twice.first.status == 200 and twice.first.body != b"one\ntwo\nthree\n":
        return "cuts the first answer"
    return _verdict(twice, 200)


async def _other_body(client: Client, handlers: Handlers) -> str:
    return await _two_requests(client, handlers, "/echo", b'{"item":2}')


async def _other_path(client: Client, handlers: Handlers) -> str:
    return await _two_requests(client, handlers, "/echo-too", b'{"item":1}')


QUESTIONS: dict[str, Question] = {
    "keeps both cookies": _cookies,
    "replays a 204": _no_content,
    "replays bytes": _binary,
    "replays a stream": _stream,
    "refuses another body": _other_body,
    "refuses another path": _other_path,
}
_OF_RESPONSES = set(QUESTIONS) - {"refuses another body"}


async def _ask_twice(client: Client, handlers: Handlers, path: str) -> Twice:
    key, before = new_key(), handlers.executions[path]
    first = await client.ask(path, key)
    await asyncio.sleep(_RECORD_WITHIN)
    again = await client.ask(path, key)
    return Twice(first, again, handlers.executions[path] - before)


def _verdict(twice: Twice, status: int) -> str:
    if twice.first.status != status or twice.first.error:
        return f"first answer {twice.first.outcome}"
    if twice.executions > 1:
        return "runs again"
    if twice.again.status != status:
        return f"then {twice.again.outcome}"
    return YES if twice.again.body == twice.first.body else "another body"


async def _two_requests(
    client: Client, handlers: Handlers, path: str, body: bytes
) -> str:
    """One key, for `/echo` first and for another request then."""
    key, executions = new_key(), handlers.executions
    await client.ask("/echo", key, b'{"item":1}')
    await asyncio.sleep(_RECORD_WITHIN)
    before = executions[path]
    other = await client.ask(path, key, body)
    if executions[path] > before:
        return "runs it"
    return YES if other.status >= 400 else "replays the other's answer"
