"""A new key everywhere, and only then a word about the old one."""

from collections.abc import Mapping
from typing import Any

import pytest

from edge.deploy.commands import NOT_YET
from edge.deploy.keys import Keys
from edge.deploy.terminal import exit_status
from edge.runtime.signature import SigningKey
from tests.edge.deploy.account import Interruption
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    ROUTES,
    behaviour,
    distribution,
    lambda_association,
    listed,
)
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.test_roll_back import move_to_the_shop

REVOKE = "Now revoke the old API key, the one in version 1:"

Environment = Mapping[str, str]


def signing(own: str, accepted: str | None = None) -> dict[str, str]:
    """Secrets named by their ids, so that one id is always one secret."""
    environment = ENVIRONMENT | {
        "EDGE_SIGNING_SECRET": f"{own}-0123456789abcdefghijklmnopqrstuvw",
        "EDGE_SIGNING_KEY_ID": own,
    }
    if accepted is not None:
        environment |= {
            "EDGE_SIGNING_ACCEPTED_SECRET": (
                f"{accepted}-0123456789abcdefghijklmnopqrstuvw"
            ),
            "EDGE_SIGNING_ACCEPTED_KEY_ID": accepted,
        }
    return environment


def without_signing(environment: Environment) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("EDGE_")
    }


def position(operator: Operator, text: str) -> int:
    (found,) = [n for n, line in enumerate(operator.said) if text in line]
    return found


def test_the_old_key_may_go_when_the_new_one_is_everywhere(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.said.clear()
    assert operator.rotate("--yes", environment=NEW_KEY) == 0
    happened = [
        position(operator, "updated the code of x402-edge"),
        position(operator, "published a version"),
        position(operator, "E2QWRUHAPOMQZL runs version 2"),
        position(operator, "E2QWRUHAPOMQZL is deployed"),
        position(operator, REVOKE),
    ]
    assert happened == sorted(happened)
    assert NOT_YET not in operator.said


def test_the_word_comes_only_after_the_last_call_to_aws(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.account.calls.clear()
    heard: list[bool] = []

    def before(_operation: str) -> None:
        heard.append(REVOKE in operator.read)

    operator.account.before = before
    operator.rotate("--yes", environment=NEW_KEY)
    assert heard == [False] * len(operator.account.calls)
    assert REVOKE in operator.read


def test_interrupted_anywhere_it_says_not_yet(operator: Operator) -> None:
    operator.account.cloudfront.spreading = 30.0
    operator.deploy("--yes")
    number = 0
    while True:
        operator.said.clear()
        operator.account.calls.clear()
        operator.account.interruption = Interruption(number, is_before=False)
        if operator.rotate("--yes", environment=NEW_KEY) == 0:
            break
        assert operator.said[-1] == NOT_YET
        assert REVOKE not in operator.read
        number += 1
    assert number > 5
    assert REVOKE in operator.read


def test_a_plan_says_not_yet(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.account.calls.clear()
    assert operator.rotate("--plan", environment=NEW_KEY) == 0
    assert operator.said[-1] == NOT_YET
    assert operator.account.changes == []


def test_an_answer_of_no_says_not_yet(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.answers = [False]
    assert operator.rotate(environment=NEW_KEY) == 2
    assert operator.said[-1] == NOT_YET


def test_a_wait_that_is_too_long_says_not_yet(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.rotate("--yes", "--timeout", "60", environment=NEW_KEY) == 1
    assert operator.said[-1] == NOT_YET


def test_a_build_that_is_refused_says_not_yet(operator: Operator) -> None:
    assert operator.rotate("--yes", environment={}) == 2
    assert operator.said[-1] == NOT_YET


@pytest.mark.parametrize("failure", [BrokenPipeError(), OSError(28, "no space left")])
def test_when_its_output_goes_nowhere_it_says_not_yet(
    capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    """As in a pipe to head, or a log on a full disk."""

    def act() -> None:
        raise failure

    with pytest.raises(type(failure)):
        exit_status("rotate", act, NOT_YET)
    assert capsys.readouterr().err == f"{NOT_YET}\n"


def test_taken_up_again_after_the_wait_it_gives_the_word(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.rotate("--yes", "--timeout", "60", environment=NEW_KEY)
    operator.account.calls.clear()
    assert operator.rotate("--yes", environment=NEW_KEY) == 0
    assert operator.account.changes == []
    assert REVOKE in operator.said[-1]


def test_a_key_that_was_forgotten_to_be_set_is_noticed(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.account.calls.clear()
    assert operator.rotate("--yes") == 2
    assert operator.said[-2:] == [
        (
            "edge rotate: version 1, which is live, has these keys already."
            " Set NEXFLOW_API_KEY to the new one."
        ),
        NOT_YET,
    ]
    assert operator.account.changes == []


def test_a_new_route_is_not_taken_for_a_new_key(operator: Operator) -> None:
    """The bundle is another one, the key is not: revoking it would be an outage."""
    operator.deploy("--yes")
    operator.routes.write_text(ROUTES.replace("/api/*", "/api"))
    assert operator.rotate("--yes") == 2
    assert operator.said[-1] == NOT_YET


def test_routes_that_change_on_the_way_are_noted(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.routes.write_text(ROUTES.replace("/api/*", "/paid"))
    operator.rotate("--plan", environment=NEW_KEY)
    assert "note: /paid becomes a paid route" in operator.said
    assert "note: /api/* is no longer a paid route" in operator.said


def test_the_old_key_may_not_go_while_another_distribution_has_it(
    operator: Operator,
) -> None:
    operator.deploy("--yes")
    association = run_elsewhere(operator, "x402-edge")
    assert operator.rotate("--yes", environment=NEW_KEY) == 2
    assert operator.said[-2:] == [
        (
            "edge rotate: E3OTHEREXAMPLE still runs version 1 of x402-edge, which has"
            " another key. Rotate there, too, with the routes file of that"
            " distribution: --distribution-id E3OTHEREXAMPLE --routes FILE."
        ),
        NOT_YET,
    ]
    association["Items"][0] = lambda_association("viewer-request", "x402-edge", 2)
    assert operator.rotate("--yes", environment=NEW_KEY) == 0


def test_a_gate_of_another_name_may_have_the_old_key_too(operator: Operator) -> None:
    operator.deploy("--yes")
    run_elsewhere(operator, "shop-gate")
    assert operator.rotate("--yes", environment=NEW_KEY) == 0
    assert operator.said[-2] == (
        "E3OTHEREXAMPLE runs shop-gate, whose key was not compared: revoke only if it"
        " has another."
    )
    assert operator.said[-1].startswith(REVOKE)


def test_so_may_one_in_another_behaviour_of_the_same_distribution(hire: Hire) -> None:
    theirs = listed(lambda_association("viewer-request", "shop-gate", 1))
    operator = hire(
        distribution(
            behaviour("api", "/api"),
            behaviour("api", "/api/*"),
            default=behaviour("site", LambdaFunctionAssociations=theirs),
        )
    )
    operator.deploy("--yes")
    assert operator.rotate("--yes", environment=NEW_KEY) == 0
    assert operator.said[-2].startswith("E2QWRUHAPOMQZL runs shop-gate, whose key")


def test_where_no_api_key_is_rotated_no_other_gate_is_named(operator: Operator) -> None:
    operator.deploy("--yes", environment=signing("one", "two"))
    run_elsewhere(operator, "shop-gate")
    assert operator.rotate("--yes", environment=signing("two", "one")) == 0
    assert "shop-gate" not in operator.read


def run_elsewhere(operator: Operator, name: str) -> dict[str, Any]:
    """Version 1 of it, on another distribution. Returns its associations."""
    associations = listed(lambda_association("viewer-request", name, 1))
    config = distribution(
        default=behaviour("api", LambdaFunctionAssociations=associations)
    )
    names = ("DefaultCacheBehavior", "CacheBehaviors")
    other = {"Id": "E3OTHEREXAMPLE"} | {name: config[name] for name in names}
    operator.account.cloudfront.others = [other]
    return associations


def test_a_distribution_that_has_only_one_version_is_compared_with_no_other(
    operator: Operator,
) -> None:
    """Version 1 is the gate of another distribution, with another key."""
    operator.deploy("--yes", environment=NEW_KEY)
    move_to_the_shop(operator)
    assert operator.rotate("--yes") == 2
    assert "version 2, which is live, has these keys already" in operator.said[-2]


def test_without_a_gate_there_is_nothing_to_rotate(operator: Operator) -> None:
    assert operator.rotate("--yes", environment=NEW_KEY) == 2
    assert "no version is live, so there is nothing to rotate" in operator.said[-2]


def test_somebody_elses_bundle_is_not_compared(operator: Operator) -> None:
    operator.deploy("--yes")
    (address,) = operator.account.functions.bundles
    operator.account.functions.bundles[address] = b"no zip"
    assert operator.rotate("--yes", environment=NEW_KEY) == 2
    assert (
        "version 1, which is live, is not a bundle of this project" in operator.said[-2]
    )


def test_a_version_of_somebody_elses_does_not_hide_a_finished_rotation(
    operator: Operator,
) -> None:
    """The published adapter was live before the first version of ours."""
    operator.deploy("--yes")
    first = next(iter(operator.account.functions.bundles))
    operator.deploy("--yes", environment=NEW_KEY)
    operator.account.functions.bundles[first] = b"no zip"
    assert operator.rotate("--yes", environment=NEW_KEY) == 2
    assert "has these keys already" in operator.said[-2]


def test_a_bundle_that_cannot_be_read_is_said(operator: Operator) -> None:
    class Unreachable(dict[str, bytes]):
        def __getitem__(self, address: str) -> bytes:
            raise TimeoutError("timed out")

    operator.deploy("--yes")
    operator.account.functions.bundles = Unreachable()
    assert operator.rotate("--yes", environment=NEW_KEY) == 1
    assert "the bundle of version 1 cannot be read: timed out" in operator.said[-2]
    assert operator.said[-1] == NOT_YET


def test_a_signing_secret_that_was_accepted_before_is_rotated(
    operator: Operator,
) -> None:
    operator.deploy("--yes", environment=signing("one", "two"))
    assert operator.rotate("--yes", environment=signing("two", "one")) == 0
    assert "note: the origin must already accept the key two" in operator.said
    assert operator.said[-1] == (
        "one no longer signs anything. Wait ten minutes, until the requests it has"
        " signed are answered. Then unset EDGE_SIGNING_ACCEPTED_SECRET and"
        " EDGE_SIGNING_ACCEPTED_KEY_ID and deploy, and remove it from the origin."
    )
    assert "revoke" not in operator.read


BREAKS = pytest.mark.parametrize(
    ("live", "new", "reason"),
    [
        (
            signing("one"),
            without_signing(NEW_KEY),
            "version 1 signs, and this bundle would not",
        ),
        (
            signing("one"),
            signing("two"),
            "version 1 signs with one, which this bundle does not accept. Set EDGE_",
        ),
        (
            signing("one"),
            signing("one") | {"EDGE_SIGNING_SECRET": "another-" * 8},
            "version 1 has another secret of the name one. Set that one again, or give",
        ),
        (
            signing("one", "two"),
            signing("two", "one") | {"EDGE_SIGNING_ACCEPTED_SECRET": "another-" * 8},
            "version 1 has another secret of the name one. Set that one again, or give",
        ),
        (
            signing("one"),
            signing("two", "one"),
            "version 1 does not accept two yet. First give it to the origin, then",
        ),
    ],
)


@BREAKS
def test_a_signing_secret_is_not_rotated_in_one_go(
    operator: Operator, live: Environment, new: Environment, reason: str
) -> None:
    """While one version replaces another, either may sign and either may check."""
    operator.deploy("--yes", environment=live)
    operator.account.calls.clear()
    assert operator.rotate("--yes", environment=new) == 2
    assert operator.said[-2].startswith(f"edge rotate: {reason}")
    assert operator.said[-1] == NOT_YET
    assert operator.account.changes == []


@BREAKS
def test_nor_does_a_deployment_forget_it(
    operator: Operator, live: Environment, new: Environment, reason: str
) -> None:
    """As from a shell without the variables: an origin that verifies would refuse all
    that is paid for."""
    operator.deploy("--yes", environment=live)
    operator.account.calls.clear()
    assert operator.deploy("--yes", environment=new) == 2
    assert operator.said[-2].startswith(f"edge deploy: {reason}")
    assert operator.said[-1].endswith("to deploy it all the same, add --drop-signing.")
    assert operator.account.changes == []
    assert operator.deploy("--yes", "--drop-signing", environment=new) == 0


def test_the_deployments_around_a_rotation_go_on_signing(operator: Operator) -> None:
    assert operator.deploy("--yes", environment=signing("one")) == 0
    assert operator.deploy("--yes", environment=signing("one", "two")) == 0
    assert operator.rotate("--yes", environment=signing("two", "one")) == 0
    assert operator.deploy("--yes", environment=signing("two")) == 0


def test_a_gate_that_did_not_sign_may_begin_to(operator: Operator) -> None:
    operator.deploy("--yes", environment=without_signing(ENVIRONMENT))
    assert operator.deploy("--yes", environment=ENVIRONMENT) == 0


def test_a_gate_that_did_not_sign_may_be_rotated_to_one_that_does(
    operator: Operator,
) -> None:
    operator.deploy("--yes", environment=without_signing(ENVIRONMENT))
    assert operator.rotate("--yes", environment=NEW_KEY) == 0
    assert REVOKE in operator.said[-1]


def test_what_is_baked_in_does_not_print_secrets() -> None:
    keys = Keys("nf_live_SECRET", (SigningKey("one", b"SECRET"),), frozenset())
    assert "SECRET" not in f"{keys} {keys!r}"
