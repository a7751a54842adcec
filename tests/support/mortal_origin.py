"""The sample's origin. Its first worker that has recorded a response is killed before
the response leaves; the file that `GRAVE` names says that this has happened.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

from starlette.types import Message, Receive, Scope, Send

from sample_origin.app import app as origin


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    async def sending(message: Message) -> None:
        if message["type"].startswith("http.response") and scope["path"] != "/health":
            _die()
        await send(message)

    await origin(scope, receive, sending)


def _die() -> None:
    with suppress(FileExistsError):
        Path(os.environ["GRAVE"]).touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
