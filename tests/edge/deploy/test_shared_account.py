"""Others change the same account while a command runs."""

from collections.abc import Callable

import pytest

from edge.deploy.run import MOST_TRIES
from tests.edge.deploy.account import nothing
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    behaviour,
    distribution,
    function_association,
    listed,
)
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.test_before_the_yes import write_routes
from tests.edge.deploy.test_roll_back import running
from tests.edge.deploy.wire import AwsError


def once(operator: Operator, operation: str, act: Callable[[], None]) -> None:
    """Just before that call, the first time."""
    pending = [act]

    def before(called: str) -> None:
        if called == operation and pending:
            pending.pop()()

    operator.account.before = before


def comment(operator: Operator) -> None:
    operator.account.cloudfront.config["Comment"] = "by somebody else"
    operator.account.cloudfront.change()


def test_a_change_to_the_distribution_meanwhile_is_kept(operator: Operator) -> None:
    once(operator, "UpdateDistribution", lambda: comment(operator))
    assert operator.deploy("--yes") == 0
    config = operator.account.cloudfront.config
    assert config["Comment"] == "by somebody else"
    items = config["CacheBehaviors"]["Items"]
    assert all(raw["LambdaFunctionAssociations"]["Quantity"] == 2 for raw in items)
    assert "was changed by somebody else: looking again" in operator.read


def test_what_was_agreed_to_is_not_asked_again(operator: Operator) -> None:
    once(operator, "UpdateDistribution", lambda: comment(operator))
    operator.answers = [True]
    assert operator.deploy() == 0
    assert operator.said.count("Do this?") == 1


def test_what_was_not_agreed_to_is_asked(operator: Operator) -> None:
    """A behaviour that somebody adds meanwhile was in no plan."""

    def add_behaviour() -> None:
        config = operator.account.cloudfront.config
        more = behaviour("api", "/api/new")
        items = [more, *config["CacheBehaviors"]["Items"]]
        config["CacheBehaviors"] = listed(*items)
        operator.account.cloudfront.change()

    once(operator, "UpdateDistribution", add_behaviour)
    operator.answers = [True, False]
    assert operator.deploy() == 2
    assert operator.said.count("Do this?") == 2
    assert "cloudfront:UpdateDistribution" in operator.account.changes
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    assert all(raw["LambdaFunctionAssociations"] == {"Quantity": 0} for raw in items)


def test_a_function_that_gets_in_the_way_meanwhile_is_not_overwritten(
    operator: Operator,
) -> None:
    def take_the_place() -> None:
        raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][1]
        raw["FunctionAssociations"] = listed(
            function_association("viewer-request", "rewrite")
        )
        operator.account.cloudfront.change()

    once(operator, "UpdateDistribution", take_the_place)
    assert operator.deploy("--yes") == 2
    assert "viewer-request runs CloudFront Function rewrite" in operator.said[-1]
    raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][1]
    assert raw["FunctionAssociations"]["Quantity"] == 1


def test_a_change_while_it_is_deployed_is_noticed(operator: Operator) -> None:
    """Somebody else's configuration is deployed, not the one that was waited for."""

    def take_off() -> None:
        raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][1]
        raw["LambdaFunctionAssociations"] = {"Quantity": 0}
        operator.account.cloudfront.change()

    seen: list[str] = []

    def before(called: str) -> None:
        updated = "cloudfront:UpdateDistribution" in operator.account.calls
        if called == "GetDistribution" and updated:
            seen.append(called)
            if len(seen) == 5:
                take_off()

    operator.account.before = before
    assert operator.deploy("--yes") == 0
    raw = operator.account.cloudfront.config["CacheBehaviors"]["Items"][1]
    assert raw["LambdaFunctionAssociations"]["Quantity"] == 2
    assert "was changed meanwhile: looking again" in operator.read


def test_somebody_elses_update_of_the_function_is_not_published(
    operator: Operator,
) -> None:
    operator.deploy("--yes")

    def update() -> None:
        functions = operator.account.functions
        functions.at_work = 0.0
        given = functions.get_function_configuration(FunctionName="x402-edge")
        functions.update_function_code(
            FunctionName="x402-edge", ZipFile=b"theirs", RevisionId=given["RevisionId"]
        )

    once(operator, "PublishVersion", update)
    assert operator.deploy("--yes", environment=NEW_KEY) == 0
    versions = operator.account.functions.published
    assert [each["Version"] for each in versions] == ["1", "2"]
    assert "x402-edge was changed by somebody else: looking again" in operator.read
    theirs = operator.account.functions._digested(b"theirs")["CodeSha256"]
    assert theirs not in [each["CodeSha256"] for each in versions]


def test_who_always_comes_second_gives_up_and_says_so(operator: Operator) -> None:
    def before(called: str) -> None:
        if called == "UpdateDistribution":
            comment(operator)

    operator.account.before = before
    assert operator.deploy("--yes") == 1
    assert operator.said[-1] == (
        "edge deploy: E2QWRUHAPOMQZL was changed by somebody else."
        " Look at the account, then repeat."
    )
    tries = operator.account.changes.count("cloudfront:UpdateDistribution")
    assert tries == MOST_TRIES


def test_what_is_accepted_and_not_kept_is_said(hire: Hire) -> None:
    """As by a pretended AWS that drops associations."""
    operator = hire(distribution(behaviour("api", "/api/*")))
    kept = operator.account.cloudfront.config

    def before(called: str) -> None:
        operator.account.cloudfront.config = kept

    operator.account.before = before
    assert operator.deploy("--yes") == 1
    assert "AWS accepted the change, but it does not show up: " in operator.said[-1]


def test_a_function_that_somebody_is_changing_is_waited_for(
    operator: Operator,
) -> None:
    operator.deploy("--yes")

    def change() -> None:
        functions = operator.account.functions
        functions._ready_at["$LATEST"] = operator.account.clock.now() + 3.0

    once(operator, "UpdateFunctionCode", change)
    assert operator.deploy("--yes", environment=NEW_KEY) == 0
    assert "x402-edge is being changed: looking again" in operator.read


def test_what_lambda_refuses_for_good_is_not_tried_again(operator: Operator) -> None:
    def refuse() -> None:
        code = "InvalidParameterValueException"
        raise AwsError(code, "Uploaded file must be a non-empty zip")

    once(operator, "CreateFunction", refuse)
    assert operator.deploy("--yes") == 1
    assert operator.said[-1] == (
        "edge deploy: CreateFunction was refused: Uploaded file must be a non-empty zip"
        " (InvalidParameterValueException)"
    )


def test_cloudfront_may_learn_late_that_a_version_is_active(
    operator: Operator,
) -> None:
    def refuse() -> None:
        raise AwsError(
            "InvalidLambdaFunctionAssociation",
            "The function must be in an Active state. The current state for function"
            " arn is Pending",
        )

    once(operator, "UpdateDistribution", refuse)
    assert operator.deploy("--yes") == 0
    assert "CloudFront does not know yet that the version is active" in operator.read


def test_iam_may_learn_late_that_a_role_is_there(operator: Operator) -> None:
    def refuse() -> None:
        raise AwsError("NoSuchEntity", "The role x402-edge-role cannot be found.")

    once(operator, "AttachRolePolicy", refuse)
    assert operator.deploy("--yes") == 0
    assert operator.account.iam.attached["x402-edge-role"]


@pytest.mark.parametrize("command", ["deploy", "rotate"])
def test_what_somebody_has_deployed_meanwhile_is_compared_too(
    hire: Hire, command: str
) -> None:
    operator, other = hire(), hire()
    other.account = operator.account
    operator.deploy("--yes")
    third = NEW_KEY | {"NEXFLOW_API_KEY": "nf_live_THIRD"}

    def deploy_more() -> None:
        operator.account.before = nothing
        write_routes(other, ["/api/*", "/more"])
        assert other.deploy("--yes", environment=third) == 0
        write_routes(operator, ["/api/*"])

    once(operator, "UpdateDistribution", deploy_more)
    operator.said.clear()
    operator.answers = [True, False]
    assert getattr(operator, command)(environment=NEW_KEY) == 2
    first, second = [at for at, it in enumerate(operator.said) if it == "Do this?"]
    note = "note: /more is no longer a paid route"
    assert note not in operator.said[:first]
    assert note in operator.said[first:second]


def test_signatures_of_what_somebody_has_deployed_meanwhile_are_compared(
    hire: Hire,
) -> None:
    operator, other = hire(), hire()
    other.account = operator.account
    operator.deploy("--yes")
    signing = {"EDGE_SIGNING_SECRET": "new-" * 10, "EDGE_SIGNING_KEY_ID": "2026-09"}

    def deploy_another_secret() -> None:
        operator.account.before = nothing
        options = ("--yes", "--drop-signing")
        assert other.deploy(*options, environment=ENVIRONMENT | signing) == 0

    once(operator, "UpdateDistribution", deploy_another_secret)
    assert operator.deploy("--yes", environment=NEW_KEY) == 2
    assert "version 3 signs with 2026-09, which this bundle does not accept" in (
        operator.read
    )
    assert running(operator) == {"3"}
