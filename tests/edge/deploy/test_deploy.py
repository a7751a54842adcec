"""From nothing to live, and again."""

import zipfile
from io import BytesIO
from pathlib import Path

from edge.aws.managed_policies import (
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CACHING_DISABLED,
    CACHING_OPTIMIZED,
)
from edge.build.environment import read_environment
from edge.build.routes_file import read_routes
from edge.build.zip import build
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import (
    ENVIRONMENT,
    NEW_KEY,
    behaviour,
    distribution,
    lambda_association,
    listed,
)
from tests.edge.deploy.operator import Operator

MUTATIONS = [
    "iam:CreateRole",
    "iam:AttachRolePolicy",
    "lambda:CreateFunction",
    "lambda:PublishVersion",
    "cloudfront:UpdateDistribution",
]


def test_from_nothing_to_live(operator: Operator) -> None:
    assert operator.deploy("--yes") == 0
    state = operator.account.state()
    latest = state["function"]
    assert (latest["Runtime"], latest["Handler"]) == ("python3.13", "handler.handler")
    assert (latest["Timeout"], latest["MemorySize"]) == (5, 128)
    assert (latest["Architectures"], latest["PackageType"]) == (["x86_64"], "Zip")
    assert latest["Role"] == state["roles"]["x402-edge-role"]["Arn"]
    assert state["policies"] == {
        "x402-edge-role": [
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
        ]
    }
    wanted = [
        lambda_association("viewer-request", "x402-edge", 1),
        lambda_association("origin-response", "x402-edge", 1),
    ]
    for raw in state["distribution"]["CacheBehaviors"]["Items"]:
        assert raw["LambdaFunctionAssociations"] == {"Quantity": 2, "Items": wanted}
        assert raw["CachePolicyId"] == CACHING_DISABLED
        assert raw["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER
    assert operator.said[-1] == (
        "version 1 of x402-edge answers at every edge location of E2QWRUHAPOMQZL"
    )


def test_what_does_not_reach_the_origin_is_left_alone(operator: Operator) -> None:
    before = operator.account.state()["distribution"]
    operator.deploy("--yes")
    after = operator.account.state()["distribution"]
    assert after["DefaultCacheBehavior"] == before["DefaultCacheBehavior"]
    ours = {"CacheBehaviors": None, "CustomErrorResponses": None}
    assert after | ours == before | ours


def test_errors_are_not_kept_and_pages_stay(hire: Hire) -> None:
    """CachingDisabled does not switch that off: a 503 of one client was for all."""
    page = {"ErrorCode": 403, "ResponsePagePath": "/403.html", "ResponseCode": "403"}
    slow = {"ErrorCode": 404, "ResponsePagePath": "", "ResponseCode": ""}
    config = distribution(behaviour("api", "/api"), behaviour("api", "/api/*"))
    config["CustomErrorResponses"] = listed(
        page | {"ErrorCachingMinTTL": 60}, slow | {"ErrorCachingMinTTL": 300}
    )
    operator = hire(config)
    assert operator.deploy("--yes") == 0
    assert "  errors of the origin, kept for" in operator.said
    for line in ("403  60 s → 0 s", "404  300 s → 0 s", "503  10 s → 0 s"):
        assert f"    {line}" in operator.said
    items = operator.account.cloudfront.config["CustomErrorResponses"]["Items"]
    assert items[0] == page | {"ErrorCachingMinTTL": 0}
    assert {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in items} == (
        dict.fromkeys([403, 404, 414, 500, 501, 502, 503, 504], 0)
    )


def test_proofs_are_not_taken_over_http(hire: Hire) -> None:
    """A site that is not paid for is left as it is."""
    api = behaviour("api", "/api", ViewerProtocolPolicy="allow-all")
    below = behaviour("api", "/api/*", ViewerProtocolPolicy="https-only")
    site = behaviour("site", ViewerProtocolPolicy="allow-all")
    operator = hire(distribution(api, below, default=site))
    assert operator.deploy("--yes") == 0
    assert "    viewer protocol        allow-all → redirect-to-https" in operator.said
    config = operator.account.cloudfront.config
    gated = [each["ViewerProtocolPolicy"] for each in config["CacheBehaviors"]["Items"]]
    assert gated == ["redirect-to-https", "https-only"]
    assert config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "allow-all"


def test_a_free_behaviour_of_the_same_origin_is_run_and_still_cached(
    hire: Hire,
) -> None:
    """Through it a client could send headers that it made up."""
    api = (behaviour("api", "/api"), behaviour("api", "/api/*"))
    operator = hire(distribution(*api, behaviour("api", "/docs/*")))
    operator.deploy("--yes")
    docs = operator.account.cloudfront.config["CacheBehaviors"]["Items"][2]
    assert docs["LambdaFunctionAssociations"]["Quantity"] == 2
    assert docs["CachePolicyId"] == CACHING_OPTIMIZED
    assert "OriginRequestPolicyId" not in docs


def test_repeated_it_changes_nothing(operator: Operator) -> None:
    operator.deploy("--yes")
    state = operator.account.state()
    operator.account.calls.clear()
    assert operator.deploy("--yes") == 0
    assert operator.account.changes == []
    assert operator.account.state() == state
    assert "nothing to change" in operator.said


def test_each_change_is_asked_for_once(operator: Operator) -> None:
    operator.account.iam.add_role(
        "x402-edge-role", "lambda.amazonaws.com", "edgelambda.amazonaws.com"
    )
    operator.deploy("--yes")
    assert operator.account.changes == MUTATIONS[1:]


def test_a_new_role_is_waited_for(operator: Operator) -> None:
    """IAM tells of it some seconds before Lambda may assume it."""
    assert operator.deploy("--yes") == 0
    asked = operator.account.changes
    assert asked.count("lambda:CreateFunction") > 1
    assert list(dict.fromkeys(asked)) == MUTATIONS
    assert "does not know the new role yet: looking again" in operator.read


def test_a_plan_changes_nothing(operator: Operator) -> None:
    before = operator.account.state()
    assert operator.deploy("--plan") == 0
    assert operator.account.changes == []
    assert operator.account.state() == before


def test_a_plan_says_every_change(operator: Operator) -> None:
    operator.deploy("--plan")
    of_a_behaviour = [
        "    viewer-request         none → the new version of x402-edge",
        "    origin-response        none → the new version of x402-edge",
        "    cache policy           Managed-CachingOptimized → Managed-CachingDisabled",
        "    origin request policy  none → Managed-AllViewerExceptHostHeader",
    ]
    role = "x402-edge-role, for edgelambda.amazonaws.com and lambda.amazonaws.com"
    assert operator.said == [
        "function x402-edge (us-east-1)",
        f"  create the role {role}",
        "  attach AWSLambdaBasicExecutionRole to x402-edge-role: it may write logs",
        "  create it: python3.13, x86_64, 128 MB, 5 s, handler handler.handler",
        "  publish a version",
        "distribution E2QWRUHAPOMQZL",
        "  behaviour /api",
        *of_a_behaviour,
        "  behaviour /api/*",
        *of_a_behaviour,
        "  errors of the origin, kept for",
        *(f"    {each}  10 s → 0 s" for each in (404, 414, 500, 501, 502, 503, 504)),
        (
            "check will warn of viewer.methods: On /api CloudFront answers DELETE,"
            " OPTIONS, PATCH, POST, PUT with 403, before the gate runs. Allow these"
            " methods if a paid route takes one of them. Browsers send an OPTIONS"
            " first."
        ),
    ]


def test_a_plan_of_nothing_says_so(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.said.clear()
    assert operator.deploy("--plan") == 0
    assert operator.said == ["nothing to change"]


def test_it_goes_on_after_a_yes(operator: Operator) -> None:
    operator.answers = [True]
    assert operator.deploy() == 0
    assert operator.said.count("Do this?") == 1
    assert operator.account.functions.published


def test_it_stops_after_a_no(operator: Operator) -> None:
    operator.answers = [False]
    assert operator.deploy() == 2
    assert operator.account.changes == []
    assert operator.said[-1] == "edge deploy: stopped, as you asked."


def test_without_a_terminal_it_does_not_guess(operator: Operator) -> None:
    assert operator.deploy() == 2
    assert operator.account.changes == []
    assert operator.said[-1].endswith("Repeat with --yes to go on.")


def test_a_new_bundle_is_a_new_version_everywhere(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.account.calls.clear()
    assert operator.deploy("--yes", environment=NEW_KEY) == 0
    assert operator.account.changes == [
        "lambda:UpdateFunctionCode",
        "lambda:PublishVersion",
        "cloudfront:UpdateDistribution",
    ]
    first, second = operator.account.functions.published
    assert first["CodeSha256"] != second["CodeSha256"]
    assert second["Description"] == "replaces version 1"
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    assert [
        each["LambdaFunctionARN"].rpartition(":")[2]
        for raw in items
        for each in raw["LambdaFunctionAssociations"]["Items"]
    ] == ["2"] * 4


def test_a_behaviour_whose_route_is_gone_gets_the_new_version_too(
    hire: Hire,
) -> None:
    """With the old version it would keep the old key."""
    stale = behaviour("site", "/old")
    operator = hire(
        distribution(behaviour("api", "/api"), behaviour("api", "/api/*"), stale)
    )
    operator.deploy("--yes")
    association = lambda_association("viewer-request", "x402-edge", 1)
    config = operator.account.cloudfront.config
    old = config["CacheBehaviors"]["Items"][2]
    old["LambdaFunctionAssociations"] = {"Quantity": 1, "Items": [association]}
    operator.account.cloudfront.change()
    operator.deploy("--yes", environment=NEW_KEY)
    after = operator.account.cloudfront.config["CacheBehaviors"]["Items"][2]
    assert after["LambdaFunctionAssociations"]["Items"] == [
        lambda_association("viewer-request", "x402-edge", 2)
    ]
    assert after["CachePolicyId"] == CACHING_OPTIMIZED


def test_another_configuration_is_a_new_version(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.account.calls.clear()
    assert operator.deploy("--yes", "--memory", "256") == 0
    assert operator.account.changes[0] == "lambda:UpdateFunctionConfiguration"
    assert "  memory  128 MB → 256 MB" in operator.said
    assert operator.account.functions.published[-1]["MemorySize"] == 256


def test_what_is_not_asked_for_stays_as_it_is(operator: Operator) -> None:
    operator.deploy("--yes", "--memory", "256", "--runtime", "python3.12")
    operator.deploy("--yes", environment=NEW_KEY)
    last = operator.account.functions.published[-1]
    assert (last["MemorySize"], last["Runtime"]) == (256, "python3.12")


def test_a_runtime_that_is_too_old_is_replaced(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.account.functions.latest is not None
    operator.account.functions.latest["Runtime"] = "python3.9"
    assert operator.deploy("--yes", environment=NEW_KEY) == 0
    assert "  runtime  python3.9 → python3.13" in operator.said
    assert operator.account.functions.published[-1]["Runtime"] == "python3.13"


def test_a_bundle_that_was_built_before_is_deployed_as_it_is(
    operator: Operator, tmp_path: Path
) -> None:
    secrets = read_environment(ENVIRONMENT)
    content = build(secrets, read_routes(operator.routes)).content
    file = tmp_path / "lambda-edge.zip"
    file.write_bytes(content)
    assert operator.deploy("--yes", "--bundle", str(file), environment={}) == 0
    assert list(operator.account.functions.bundles.values()) == [content]
    items = operator.account.cloudfront.config["CacheBehaviors"]["Items"]
    assert all(raw["CachePolicyId"] == CACHING_DISABLED for raw in items)


def test_a_bundle_that_does_not_sign_is_warned_about_wherever_it_was_built(
    operator: Operator, tmp_path: Path
) -> None:
    plain = {name: ENVIRONMENT[name] for name in list(ENVIRONMENT)[:2]}
    file = tmp_path / "lambda-edge.zip"
    content = build(read_environment(plain), read_routes(operator.routes)).content
    file.write_bytes(content)
    assert operator.deploy("--plan", "--bundle", str(file), environment={}) == 0
    of_a_file = [line for line in operator.said if line.startswith("warning: ")]
    operator.said.clear()
    assert operator.deploy("--plan", environment=plain) == 0
    built_here = [line for line in operator.said if line.startswith("warning: ")]
    assert of_a_file == built_here
    assert len(of_a_file) == 1


def test_what_is_deployed_is_what_build_would_write(operator: Operator) -> None:
    operator.deploy("--yes")
    (content,) = operator.account.functions.bundles.values()
    built = build(read_environment(ENVIRONMENT), read_routes(operator.routes))
    assert content == built.content
    assert "handler.py" in zipfile.ZipFile(BytesIO(content)).namelist()


def test_waiting_shows_that_it_is_alive(operator: Operator) -> None:
    operator.account.cloudfront.spreading = 300.0
    operator.deploy("--yes")
    line = "E2QWRUHAPOMQZL is being deployed; this takes some minutes"
    signs = [said for said in operator.said if said.endswith(line)]
    assert [said[:8] for said in signs] == [
        f"[{seconds:4} s]" for seconds in (10, 70, 130, 190, 250)
    ]


def test_what_lambda_is_at_is_said_once(operator: Operator) -> None:
    operator.account.functions.at_work = 20.0
    assert operator.deploy("--yes") == 0
    said = [line[9:] for line in operator.said if "being created" in line]
    assert said == [
        "x402-edge: it is being created",
        "version 1 of x402-edge: it is being created",
    ]


def test_nothing_is_said_to_be_live_before_it_is_deployed(operator: Operator) -> None:
    operator.deploy("--yes")
    assert operator.said[-2] == "[ 100 s] E2QWRUHAPOMQZL is deployed"


def test_without_waiting_it_says_that_it_is_on_its_way(operator: Operator) -> None:
    assert operator.deploy("--yes", "--no-wait") == 0
    assert operator.said[-1] == (
        "version 1 of x402-edge is on its way to every edge location of E2QWRUHAPOMQZL"
    )


def test_without_waiting_what_is_everywhere_is_not_on_its_way(
    operator: Operator,
) -> None:
    operator.deploy("--yes")
    assert operator.deploy("--yes", "--no-wait") == 0
    assert operator.said[-1] == (
        "version 1 of x402-edge answers at every edge location of E2QWRUHAPOMQZL"
    )


def test_waiting_ends_and_can_be_taken_up_again(operator: Operator) -> None:
    assert operator.deploy("--yes", "--timeout", "60") == 1
    assert operator.said[-1] == (
        "edge deploy: E2QWRUHAPOMQZL is still being deployed, after 60 s. Repeat the"
        " command to go on waiting: nothing is done twice."
    )
    operator.account.calls.clear()
    assert operator.deploy("--yes") == 0
    assert operator.account.changes == []


def test_no_secret_is_ever_said(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.rotate("--yes", environment=NEW_KEY)
    for environment in (ENVIRONMENT, NEW_KEY):
        for name in ("NEXFLOW_API_KEY", "EDGE_SIGNING_SECRET"):
            assert environment[name] not in operator.read
