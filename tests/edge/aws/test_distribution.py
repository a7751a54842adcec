"""Which behaviours the gate has to stand in front of, against every short path."""

import re
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.aws.distribution import (
    Behaviour,
    behaviours,
    gated,
    sharing_origin,
)
from edge.aws.path_patterns import example
from edge.emulator.path_pattern import matches
from edge.runtime.routes import Route, match

Config = dict[str, Any]


def config(*pairs: tuple[str, str], default: str = "web", **more: Any) -> Config:
    """Behaviours by pattern and origin; `api` and `web` are two servers."""
    return {
        "Origins": {
            "Items": [
                {"Id": "api", "DomainName": "api.example.org"},
                {"Id": "web", "DomainName": "web.example.org"},
            ]
        },
        "CacheBehaviors": {
            "Items": [{"PathPattern": p, "TargetOriginId": o} for p, o in pairs]
        },
        "DefaultCacheBehavior": {"TargetOriginId": default},
        **more,
    }


def patterns(found: list[Behaviour]) -> list[str]:
    return [behaviour.path_pattern for behaviour in found]


SHORT_PATHS = [
    "/" + "".join(characters)
    for length in range(7)
    for characters in product("a/z", repeat=length)
]
ROUTES = st.sampled_from(["/", "/*", "/a", "/a/*", "/a/a", "/aa", "/aa/*", "/z/*"])
# Short ones, so that whatever they have in common shows in a short path.
PATTERNS = st.text("a/?*", min_size=1, max_size=4)


@given(st.lists(PATTERNS, max_size=3), ROUTES)
def test_the_gated_behaviours_are_those_that_some_path_shows(
    earlier: list[str], path: str
) -> None:
    route = Route(path, "eip155:8453", "resource")
    shown: set[int] = set()
    every = [*earlier, "*"]
    for candidate in SHORT_PATHS:
        if match(candidate, [route]):
            shown.add(first_match(every, candidate))
    found = gated(config(*((each, "api") for each in earlier)), [path])
    assert patterns(found) == [every[index] for index in sorted(shown)]


def first_match(every: list[str], path: str) -> int:
    return next(
        index for index, pattern in enumerate(every) if brute_match(pattern, path)
    )


def brute_match(pattern: str, path: str) -> bool:
    return expression(pattern).fullmatch(path) is not None


@cache
def expression(pattern: str) -> re.Pattern[str]:
    literal = re.escape("/" + pattern.removeprefix("/"))
    return re.compile(literal.replace(r"\*", ".*").replace(r"\?", "."))


def test_the_comparison_has_both_answers() -> None:
    assert brute_match("*.jpg", "/deep/a.jpg")
    assert not brute_match("/api/*", "/api")
    assert match("/a/z", [Route("/a/*", "eip155:8453", "resource")])


@given(PATTERNS, st.sampled_from(SHORT_PATHS))
def test_the_emulator_reads_patterns_alike(pattern: str, path: str) -> None:
    assert matches(pattern, path) == brute_match(pattern, path)


@pytest.mark.parametrize(
    ("before", "paths", "expected"),
    [
        (["/api/*"], ["/api/*"], ["/api/*", "*"]),  # `/api` itself goes to the default
        (["/api*"], ["/api/*"], ["/api*"]),
        (["/api/joke"], ["/api/joke"], ["/api/joke"]),
        (["api/joke"], ["/api/joke"], ["api/joke"]),
        (["/api/jok?"], ["/api/joke"], ["/api/jok?"]),
        (["/API/*"], ["/api/*"], ["*"]),
        (["*.jpg", "/api*"], ["/api/*"], ["*.jpg", "/api*"]),
        (["*.jpg", "/api*"], ["/api"], ["/api*"]),
        (["/*", "/api/*"], ["/api/*"], ["/*"]),
        (["/img/*"], ["/api/*", "/img/a"], ["/img/*", "*"]),
        (["/api/*"], [], []),
    ],
)
def test_ordinary_distributions(
    before: list[str], paths: list[str], expected: list[str]
) -> None:
    found = gated(config(*((each, "api") for each in before)), paths)
    assert patterns(found) == expected


def test_what_takes_too_long_to_tell_counts_as_gated() -> None:
    """Nothing is left for the second; to know it takes 2 to the power of 16 steps."""
    hard = "*a" + "?" * 16
    found = gated(config((hard, "api"), (hard, "api")), ["/x/*"])
    assert patterns(found) == [hard, hard, "*"]


def test_what_an_earlier_pattern_takes_is_not_gated() -> None:
    easy = "*a" + "?" * 4
    found = gated(config((easy, "api"), (easy, "api")), ["/x/*"])
    assert patterns(found) == [easy, "*"]


@pytest.mark.parametrize(
    ("pattern", "earlier", "route", "path"),
    [
        ("/api/*", [], "/api/*", "/api/"),
        ("*", ["/api/*"], "/api/*", "/api"),
        ("*", ["/api*"], "/api/*", None),
        ("*.jpg", [], "/api/*", "/api/.jpg"),
        ("/a*", [], "/*", "/a"),
        ("*", ["/", "/a*", "/?", "/b*"], "/*", "/cc"),
    ],
)
def test_there_is_an_example_of_what_a_behaviour_serves(
    pattern: str, earlier: list[str], route: str, path: str | None
) -> None:
    assert example(pattern, earlier, route) == path


@given(PATTERNS, st.lists(PATTERNS, max_size=2), ROUTES)
def test_an_example_is_one(pattern: str, earlier: list[str], route: str) -> None:
    path = example(pattern, earlier, route)
    if path is not None:
        assert match(path, [Route(route, "eip155:8453", "resource")])
        assert brute_match(pattern, path)
        assert not any(brute_match(each, path) for each in earlier)


def test_behaviours_keep_their_order_and_the_default_comes_last() -> None:
    found = behaviours(config(("/b", "api"), ("/a", "web")))
    assert [(b.path_pattern, b.target_origin_id) for b in found] == [
        ("/b", "api"),
        ("/a", "web"),
        ("*", "web"),
    ]
    assert found[0].raw["PathPattern"] == "/b"


def test_a_distribution_without_further_behaviours_has_its_default() -> None:
    bare = {"DefaultCacheBehavior": {"TargetOriginId": "api"}}
    assert patterns(gated(bare, ["/api/*"])) == ["*"]
    assert patterns(sharing_origin(bare, ["/api/*"])) == ["*"]


def test_a_free_behaviour_of_the_paid_origin_reaches_it() -> None:
    shared = config(("/api*", "api"), ("/docs/*", "api"), ("/img/*", "web"))
    assert patterns(gated(shared, ["/api/*"])) == ["/api*"]
    assert patterns(sharing_origin(shared, ["/api/*"])) == ["/api*", "/docs/*"]


def test_a_group_reaches_each_of_its_origins() -> None:
    group = {
        "Id": "both",
        "Members": {"Items": [{"OriginId": "x"}, {"OriginId": "api"}]},
    }
    groups: Config = {"OriginGroups": {"Items": [group]}}
    grouped = config(("/api*", "api"), ("/docs/*", "both"), **groups)
    assert patterns(sharing_origin(grouped, ["/api/*"])) == ["/api*", "/docs/*"]
    paid = config(("/api*", "both"), ("/docs/*", "api"), **groups)
    assert patterns(sharing_origin(paid, ["/api/*"])) == ["/api*", "/docs/*"]


def test_two_origins_with_one_domain_are_one_server() -> None:
    twice = config(("/api*", "api"), ("/docs/*", "again"))
    twice["Origins"]["Items"].append({"Id": "again", "DomainName": "API.example.org"})
    assert patterns(sharing_origin(twice, ["/api/*"])) == ["/api*", "/docs/*"]
