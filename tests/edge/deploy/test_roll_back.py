"""Back to the version that was live before."""

import pytest

from tests.edge.deploy.account import Interruption
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    ROUTES,
    behaviour,
    distribution,
)
from tests.edge.deploy.operator import Operator

THIRD = NEW_KEY | {"NEXFLOW_API_KEY": "nf_live_THIRD"}


def running(operator: Operator) -> set[str]:
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    return {
        each["LambdaFunctionARN"].rpartition(":")[2]
        for raw in items
        for each in raw["LambdaFunctionAssociations"]["Items"]
    }


def test_the_version_before_is_live_again(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.account.calls.clear()
    assert operator.roll_back("--yes") == 0
    assert running(operator) == {"1"}
    assert operator.account.changes == ["cloudfront:UpdateDistribution"]
    assert operator.said[-1].startswith("version 1 of x402-edge answers at every")


def test_nothing_but_the_version_changes(operator: Operator) -> None:
    operator.deploy("--yes")
    before = operator.account.state()
    operator.deploy("--yes", environment=NEW_KEY)
    operator.roll_back("--yes")
    after = operator.account.state()
    assert after["distribution"] == before["distribution"]
    assert [version["Version"] for version in after["versions"]] == ["1", "2"]


def test_it_goes_to_what_was_live_and_not_to_what_was_published_before(
    operator: Operator,
) -> None:
    """2 was bad and rolled back; 3 replaced 1. Back from 3 must not be 2."""
    deploy_after_a_roll_back(operator)
    assert running(operator) == {"3"}
    assert operator.roll_back("--yes") == 0
    assert running(operator) == {"1"}


def deploy_after_a_roll_back(operator: Operator) -> None:
    """Version 2 was bad, and 3 replaces 1."""
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.roll_back("--yes")
    operator.deploy("--yes", environment=THIRD)


def test_where_that_is_not_known_it_is_the_one_published_before(
    operator: Operator,
) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.deploy("--yes", environment=THIRD)
    for version in operator.account.functions.published:
        version["Description"] = "published by hand"
    assert operator.roll_back("--yes") == 0
    assert running(operator) == {"2"}


def test_a_version_can_be_named(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.deploy("--yes", environment=THIRD)
    assert operator.roll_back("--yes", "--version", "1") == 0
    assert running(operator) == {"1"}
    operator.account.calls.clear()
    assert operator.roll_back("--yes", "--version", "1") == 0
    assert operator.account.changes == []


def test_a_plan_shows_it_and_warns_of_keys(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.said.clear()
    operator.account.calls.clear()
    assert operator.roll_back("--plan") == 0
    assert operator.account.changes == []
    of_a_behaviour = [
        "    viewer-request   x402-edge version 2 → x402-edge version 1",
        "    origin-response  x402-edge version 2 → x402-edge version 1",
    ]
    assert operator.said == [
        (
            "version 1 has the keys that it was built with: if one of them is revoked,"
            " paid requests will get a 500"
        ),
        "distribution E2QWRUHAPOMQZL",
        "  behaviour /api",
        *of_a_behaviour,
        "  behaviour /api/*",
        *of_a_behaviour,
    ]


OLD = {"EDGE_SIGNING_SECRET": "old-" * 10, "EDGE_SIGNING_KEY_ID": "2025-12"}
ACCEPTS_OLD = {
    "EDGE_SIGNING_ACCEPTED_SECRET": OLD["EDGE_SIGNING_SECRET"],
    "EDGE_SIGNING_ACCEPTED_KEY_ID": OLD["EDGE_SIGNING_KEY_ID"],
}
ACCEPTS_NEW = {
    "EDGE_SIGNING_ACCEPTED_SECRET": ENVIRONMENT["EDGE_SIGNING_SECRET"],
    "EDGE_SIGNING_ACCEPTED_KEY_ID": ENVIRONMENT["EDGE_SIGNING_KEY_ID"],
}
UNSIGNED = {name: ENVIRONMENT[name] for name in ENVIRONMENT if "SIGNING" not in name}


@pytest.mark.parametrize(
    ("back_to", "live", "said"),
    [
        (NEW_KEY, ENVIRONMENT, []),
        (UNSIGNED, ENVIRONMENT, ["version 2 signs, and this one does not"]),
        (UNSIGNED, UNSIGNED | {"NEXFLOW_API_KEY": "nf_live_NEW"}, []),
        (
            ENVIRONMENT | OLD,
            ENVIRONMENT,
            [
                "this version and version 2 do not accept each other's signatures",
                "the origin must still accept the key 2025-12",
            ],
        ),
        (
            ENVIRONMENT | OLD | ACCEPTS_NEW,
            ENVIRONMENT | ACCEPTS_OLD,
            ["the origin must still accept the key 2025-12"],
        ),
    ],
)
def test_what_becomes_of_signatures_is_said_before_the_question(
    operator: Operator, back_to: dict[str, str], live: dict[str, str], said: list[str]
) -> None:
    operator.deploy("--yes", environment=back_to)
    operator.deploy("--yes", "--drop-signing", environment=live)
    operator.said.clear()
    operator.answers = [False]
    assert operator.roll_back() == 2
    before = operator.said[: operator.said.index("Do this?")]
    notes = [line for line in before if line.startswith("note: ")]
    assert len(notes) == len(said)
    for note, part in zip(notes, said, strict=True):
        assert note.startswith(f"note: {part}")


def test_while_it_is_deployed_the_version_has_to_be_named(operator: Operator) -> None:
    """Repeated after an interruption it would go back one more."""
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.deploy("--yes", environment=THIRD)
    operator.roll_back("--yes", "--no-wait")
    assert operator.roll_back("--yes") == 2
    assert operator.said[-1] == (
        "edge rollback: E2QWRUHAPOMQZL is still on its way to version 2. Say which you"
        " want with --version. --version 1 is the one before, --version 2 waits for"
        " this one."
    )
    assert running(operator) == {"2"}
    assert operator.roll_back("--yes", "--version", "2") == 0
    assert running(operator) == {"2"}


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_the_rollback_to_repeat_names_its_version(
    operator: Operator, is_interrupted: bool
) -> None:
    """Repeated when CloudFront is done, it would go back from there."""
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.deploy("--yes", environment=THIRD)
    operator.account.calls.clear()
    if is_interrupted:
        operator.account.interruption = Interruption(20, is_before=True)
    assert operator.roll_back("--yes", "--timeout", "60") == (
        130 if is_interrupted else 1
    )
    assert running(operator) == {"2"}
    assert operator.said[-1] == (
        "edge rollback: the command to repeat is rollback --version 2: without the"
        " version it may go back one more."
    )
    operator.account.interruption = None
    operator.account.clock.sleep(600)
    assert operator.roll_back("--yes", "--version", "2") == 0
    assert running(operator) == {"2"}


def test_the_first_version_has_none_before(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.roll_back("--yes") == 2
    assert "there is no version to go back to from 1, which" in operator.said[-1]
    assert running(operator) == {"1"}


def move_to_the_shop(operator: Operator) -> None:
    """The same function gates another distribution of the account, with other paths,
    and that is the one that is asked for from now on."""
    operator.account.cloudfront.config = distribution(
        behaviour("api", "/shop"), behaviour("api", "/shop/*")
    )
    operator.account.cloudfront.change()
    operator.routes.write_text(ROUTES.replace("/api/*", "/shop/*"))
    assert operator.deploy("--yes") == 0
    assert running(operator) == {"2"}


def test_nor_has_the_first_version_of_another_distribution(operator: Operator) -> None:
    """Version 1 gates other paths: these would become free."""
    operator.deploy("--yes")
    move_to_the_shop(operator)
    assert operator.roll_back("--yes") == 2
    assert "there is no version to go back to from 2, which" in operator.said[-1]
    assert running(operator) == {"2"}


def test_a_version_that_replaced_one_that_is_gone_has_none_before(
    operator: Operator,
) -> None:
    """Version 2 was bad, and rolled back."""
    deploy_after_a_roll_back(operator)
    del operator.account.functions.published[0]
    assert operator.roll_back("--yes") == 2
    assert "there is no version to go back to from 3, which" in operator.said[-1]


def test_a_version_that_is_not_there_is_named(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.roll_back("--yes", "--version", "9") == 2
    assert operator.said[-1] == (
        "edge rollback: x402-edge has no version 9. There are 1."
    )


def test_without_a_function_there_is_nothing_to_roll_back(operator: Operator) -> None:
    assert operator.roll_back("--yes") == 2
    assert "there is no function x402-edge in us-east-1" in operator.said[-1]


def test_without_an_association_there_is_nothing_to_roll_back(
    operator: Operator,
) -> None:
    before = operator.account.cloudfront.config
    operator.deploy("--yes")
    operator.account.cloudfront.config = before
    assert operator.roll_back("--yes") == 2
    assert "E2QWRUHAPOMQZL runs no version of x402-edge" in operator.said[-1]


def test_of_two_versions_one_has_to_be_named(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    one = items[0]["LambdaFunctionAssociations"]["Items"][0]
    one["LambdaFunctionARN"] = one["LambdaFunctionARN"][:-1] + "1"
    assert operator.roll_back("--yes") == 2
    assert "runs versions 1, 2. Say which you want with --version" in operator.said[-1]
    assert operator.roll_back("--yes", "--version", "1") == 0
    assert running(operator) == {"1"}


def test_a_version_that_sleeps_has_to_be_woken(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.account.functions.published[0]["State"] = "Inactive"
    assert operator.roll_back("--yes") == 1
    assert (
        "aws lambda invoke --region us-east-1 --function-name x402-edge --qualifier 1"
        " /dev/null, and repeat" in (operator.said[-2])
    )
    assert running(operator) == {"2"}


def test_a_version_that_cloudfront_no_longer_runs_changes_nothing(
    operator: Operator,
) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.account.functions.published[0]["Runtime"] = "python3.8"
    assert operator.roll_back("--yes") == 1
    assert operator.said[-2] == (
        "edge rollback: UpdateDistribution was refused: The function has a runtime that"
        " is not supported: python3.8. (InvalidLambdaFunctionAssociation)"
    )
    assert running(operator) == {"2"}


def test_fifty_versions_are_not_all_that_are_read(operator: Operator) -> None:
    """A page of versions has fifty."""
    operator.deploy("--yes")
    first = operator.account.functions.published[0]
    for number in range(2, 61):
        arn = f"{first['FunctionArn'][:-1]}{number}"
        more = {"Version": str(number), "FunctionArn": arn}
        operator.account.functions.published.append(first | more)
    assert operator.roll_back("--yes", "--version", "60") == 0
    assert running(operator) == {"60"}
