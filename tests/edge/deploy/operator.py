"""The person at the terminal, their account, and what they read."""

import argparse
import contextlib
import io
from collections.abc import Mapping
from pathlib import Path

from edge.deploy import commands
from edge.deploy.terminal import System
from tests.edge.deploy.account import Account
from tests.edge.deploy.cloudfront_service import ID
from tests.edge.deploy.examples import ENVIRONMENT, ROUTES
from tests.edge.deploy.wire import WiredSession


class Operator:
    def __init__(
        self, session: WiredSession, account: Account, directory: Path
    ) -> None:
        self.account = account
        self.answers: list[bool | None] = []
        self.said: list[str] = []
        """All that was shown, in its order, errors included."""
        self.routes = directory / "routes.toml"
        self.routes.write_text(ROUTES)
        self._session = session

    def deploy(
        self, *options: str, environment: Mapping[str, str] = ENVIRONMENT
    ) -> int:
        if "--bundle" not in options:
            options = ("--routes", str(self.routes), *options)
        return self._run(["deploy", *options], environment)

    def roll_back(self, *options: str) -> int:
        return self._run(["rollback", *options], {})

    def rotate(
        self, *options: str, environment: Mapping[str, str] = ENVIRONMENT
    ) -> int:
        command = ["rotate", "--routes", str(self.routes), *options]
        return self._run(command, environment)

    @property
    def read(self) -> str:
        return "\n".join(self.said)

    def _run(self, words: list[str], environment: Mapping[str, str]) -> int:
        parser = argparse.ArgumentParser(prog="python -m edge")
        subparsers = parser.add_subparsers()
        commands.add_deploy(subparsers)
        commands.add_rollback(subparsers)
        commands.add_rotate(subparsers)
        if not any(word.startswith("--distribution-id") for word in words):
            words += ["--distribution-id", ID]
        system = System(
            say=self.said.append,
            ask=self._ask,
            now=self.account.clock.now,
            sleep=self.account.clock.sleep,
            open_session=lambda _: self._session,
            download=lambda address: self.account.functions.bundles[address],
        )
        self._session.answer = self.account.answer
        self._session.sent = self.account.sent
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            options = parser.parse_args(words)
            status: int = options.run(options, environment, system)
        self.said += errors.getvalue().splitlines()
        return status

    def _ask(self, question: str) -> bool | None:
        self.said.append(question)
        return self.answers.pop(0) if self.answers else None
