"""An operator with an account; boto3's clients are shared, the account never is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge.deploy.account import Account
from tests.edge.deploy.clock import Clock
from tests.edge.deploy.examples import Config, behaviour, distribution
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.wire import WiredSession

Hire = Callable[..., Operator]


@pytest.fixture(scope="package")
def session() -> WiredSession:
    return WiredSession()


@pytest.fixture
def hire(session: WiredSession, tmp_path: Path) -> Hire:
    def hired(config: Config | None = None) -> Operator:
        default = distribution(behaviour("api", "/api"), behaviour("api", "/api/*"))
        return Operator(session, Account(Clock(), config or default), tmp_path)

    return hired


@pytest.fixture
def operator(hire: Hire) -> Operator:
    return hire()
