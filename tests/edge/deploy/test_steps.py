"""Steps that belong to a plan and cannot be taken out of its order."""

import pytest

from edge.deploy.account import Account
from edge.deploy.model import NOTHING, Associate, Publish, Spec
from tests.edge.deploy.wire import WiredSession


@pytest.mark.parametrize("step", [Publish(None, NOTHING), Associate(None, "E", {}, ())])
def test_what_is_not_known_yet_is_not_asked_of_aws(
    session: WiredSession, step: Publish | Associate
) -> None:
    spec = Spec(function="x402-edge", code="", paths=())
    account = Account(session, "E2QWRUHAPOMQZL", spec, b"")
    with pytest.raises(AssertionError, match="from its beginning"):
        account.perform(step)
