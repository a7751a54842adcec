"""What may be written in routes.toml, and what a person is told otherwise."""

from pathlib import Path
from time import process_time

import pytest

from edge.build.routes_file import RoutesFile, read_routes
from edge.errors import Refused
from edge.runtime.gate import Gated, Lifetime, admit
from edge.runtime.routes import Route

ROUTE = '[[route]]\npath = "/api/*"\nnetwork = "eip155:8453"\nresource_id = "api"\n'


def read(tmp_path: Path, text: str) -> RoutesFile:
    file = tmp_path / "routes.toml"
    file.write_text(text, encoding="utf-8")
    return read_routes(file)


def test_the_routes_of_the_sample() -> None:
    network = "eip155:8453"
    assert read_routes(Path(__file__).parents[3] / "routes.toml") == RoutesFile(
        routes=(
            Route("/api/joke", network, "joke-endpoint"),
            Route("/premium/*", network, "premium"),
        ),
        settle="delivered",
    )


def test_the_settle_rule_can_be_chosen(tmp_path: Path) -> None:
    assert read(tmp_path, f'settle = "below-400"\n{ROUTE}').settle == "below-400"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/*", "/a", "/a/*", "/a-b_c.d~e", "/a/b/c/*", "/A", "/a:b@c,d"),
        *("/v1/models/x:generate", "/a+b", "/cash$flow/x", "/@me", "/.well-known/x"),
    ],
)
def test_a_path_that_servers_agree_on_is_a_route(tmp_path: Path, path: str) -> None:
    assert read(tmp_path, ROUTE.replace("/api/*", path)).routes[0].path == path


@pytest.mark.parametrize(
    "second", ["/api/v2/*", "/api", "/api/Joke", "/*", "/apix", "/", "/API-2/*"]
)
def test_nested_routes_and_neighbours_are_no_contradiction(
    tmp_path: Path, second: str
) -> None:
    text = ROUTE + ROUTE.replace("/api/*", second)
    routes = read(tmp_path, text).routes
    assert [route.path for route in routes] == ["/api/*", second]
    for route in routes:
        path = route.path.removesuffix("/*") or "/"
        assert isinstance(admit("GET", path, routes), Gated)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "there is no route"),
        ("route = []", "there is no route"),
        ("[route]\n", "two brackets"),
        ("route = [1]", "route 1 is not a table"),
        ("[[route]\n", "line 1"),
        (ROUTE + "path = 1\n", "line 5"),
        ("routes = []\n", 'did you mean "route"?'),
        ("x = 1\n", "known are settle, refused, shortest_intent"),
        (ROUTE + 'resource = "a"\n', 'did you mean "resource_id"?'),
        ('settle = "always"\n' + ROUTE, 'must be "delivered" or "below-400"'),
        ("settle = true\n" + ROUTE, 'must be "delivered" or "below-400"'),
        (ROUTE + 'settle = "below-400"\n', "move it above the first [[route]]"),
        (ROUTE + 'refused = "deliver"\n', "move it above the first [[route]]"),
        (ROUTE + "longest_intent = 60\n", "move it above the first [[route]]"),
        (ROUTE + 'allowed_origins = "*"\n', "move it above the first [[route]]"),
        ('refused = "keep"\n' + ROUTE, 'must be "deliver" or "withhold"'),
        ("refused = true\n" + ROUTE, 'must be "deliver" or "withhold"'),
        ('shortest_intent = "10s"\n' + ROUTE, "must be a number of seconds"),
        ("shortest_intent = true\n" + ROUTE, "must be a number of seconds"),
        ("shortest_intent = -1\n" + ROUTE, "from 0 to 31,622,400"),
        ("shortest_intent = nan\n" + ROUTE, "from 0 to 31,622,400"),
        (f"longest_intent = {10**400}\n" + ROUTE, "from 0 to 31,622,400"),
        ('auth = "bearer"\n' + ROUTE, 'Add facilitator = "x402"'),
        ('settle_unknown = "refuse"\n' + ROUTE, 'Add facilitator = "x402"'),
        (ROUTE + 'facilitator = "x402"\n', "above the first"),
        (ROUTE + 'price = "$0.01"\n', "stands in a [[route.accepts]]"),
        (ROUTE.replace("eip155:8453", "eip155:base"), "not a CAIP-2 id"),
        ('allowed_origins = ["https://a.b:99999"]\n' + ROUTE, "over 65535"),
        ("longest_intent = inf\n" + ROUTE, "from 0 to 31,622,400"),
        ("longest_intent = 10\n" + ROUTE, "must be less than longest_intent"),
        ("shortest_intent = 43200\n" + ROUTE, "must be less than longest_intent"),
        ("longest_intents = 60\n" + ROUTE, 'did you mean "longest_intent"?'),
        ("allowed_origins = 1\n" + ROUTE, 'must be "*" or a list'),
        ('allowed_origins = "https://a.example"\n' + ROUTE, 'must be "*" or a list'),
        ('allowed_origins = ["*"]\n' + ROUTE, "without a list"),
        ('allowed_origins = ["https://a.example/"]\n' + ROUTE, "no path"),
        ('allowed_origins = ["https://A.example"]\n' + ROUTE, "in lower case"),
        ('allowed_origins = ["https://*.a.example"]\n' + ROUTE, "is no origin"),
        ('allowed_origins = ["a.example"]\n' + ROUTE, "is no origin"),
        ('allowed_origins = ["null"]\n' + ROUTE, "is no origin"),
        ('allowed_origins = [""]\n' + ROUTE, "is no origin"),
        ("allowed_origins = [1]\n" + ROUTE, "is no origin"),
        ('allowed_origins = ["https://a.example:443"]\n' + ROUTE, "usual port"),
        ('allowed_origins = ["http://a.example:80"]\n' + ROUTE, "usual port"),
        ("x = " + "[" * 20_000, "brackets within brackets"),
        ("x = " + "{a = " * 20_000, "brackets within brackets"),
        ("x = " + "1" * 5_000, "is not TOML"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, text)
    assert "routes.toml" in str(refused.value)
    assert hint in str(refused.value)


@pytest.mark.parametrize("key", ["path", "network", "resource_id"])
def test_a_missing_key_is_refused(tmp_path: Path, key: str) -> None:
    kept = [line for line in ROUTE.splitlines() if not line.startswith(key)]
    with pytest.raises(Refused, match=f"route 1 has no {key}"):
        read(tmp_path, "\n".join(kept))


@pytest.mark.parametrize("key", ["path", "network", "resource_id"])
@pytest.mark.parametrize("value", ['""', "1", "[]", "true"])
def test_a_value_that_is_no_text_is_refused(
    tmp_path: Path, key: str, value: str
) -> None:
    lines = [f"{key} = {value}" if key in line else line for line in ROUTE.split("\n")]
    with pytest.raises(Refused, match=f"route 1: {key} must be text"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("api/*", 'must start with "/"'),
        ("https://example.org/api", 'must start with "/"'),
        ("*", 'must start with "/"'),
        ("/api*", "only be at the end"),
        ("/*/joke", "only be at the end"),
        ("/a/*/b/*", "only be at the end"),
        ("/a/**", "only be at the end"),
        ("/api/", 'Write "/api", or "/api/*"'),
        ("//api", "double slash"),
        ("/a//b/*", "double slash"),
        ("/a//*", "double slash"),
        ("/a/../b", "dot segments"),
        ("/./a", "dot segments"),
        ("/caf%C3%A9", "'%' in it"),
        ("/café", "'é' in it"),
        ("/a b", "' ' in it"),
        ("/a;b", "';' in it"),
        ("/a?b", "'?' in it"),
        ("/a#b", "'#' in it"),
        ("/a\\\\b", "'\\\\' in it"),
        ("/a{id}", "'{' in it"),
        ("/weather/:city", 'gate the part before it: "/weather/*"'),
        ("/weather/:city/*", 'has ":city" in it'),
        ("/api/:id/report", 'gate the part before it: "/api/*"'),
        ("/:tenant/api", 'gate the part before it: "/*"'),
        ("/flights/:from-:to", 'has ":from-:to" in it'),
        ("/api/:path+", 'has ":path+" in it'),
        ("/api/$id", 'has "$id" in it'),
        ("/@:user", 'has "@:user" in it'),
        ("/flights/from-:from/*", 'gate the part before it: "/flights/*"'),
        ("/files/a.:format", 'has "a.:format" in it'),
        ("/posts/post-$id", 'has "post-$id" in it'),
        ("/api/v.+x", 'has "v.+x" in it'),
        ("/a" * 1025, "path has 2,050 characters"),
        ("/api/.+", 'has ".+" in it'),
        ("/api/.+/*", 'has ".+" in it'),
        ("/api/(.+)", 'has "(.+)" in it'),
        ("/api/v(1", 'has "v(1" in it'),
        ("/api/v1)/x", 'has "v1)" in it'),
        ("/api/joke$", 'has "joke$" in it'),
        ("/api/x+", 'gate the part before it: "/api/*"'),
    ],
)
def test_a_path_that_servers_would_not_agree_on_is_refused(
    tmp_path: Path, path: str, hint: str
) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, ROUTE.replace("/api/*", path))
    assert "route 1: " in str(refused.value)
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    "network",
    [
        *("base", "eip155", "eip155:", ":8453", "ei:1", "EIP155:1", "eip155:a b"),
        *("eip155:1:2", "namespace:1", "eip155:" + "1" * 33),
    ],
)
def test_a_network_that_is_not_caip_2_is_refused(tmp_path: Path, network: str) -> None:
    with pytest.raises(Refused, match="CAIP-2"):
        read(tmp_path, ROUTE.replace("eip155:8453", network))


@pytest.mark.parametrize("resource_id", ["a b", "ä", "a\\n", "a" * 256])
def test_a_resource_id_that_no_header_carries_is_refused(
    tmp_path: Path, resource_id: str
) -> None:
    with pytest.raises(Refused, match="visible ASCII"):
        read(tmp_path, ROUTE.replace('"api"', f'"{resource_id}"'))


@pytest.mark.parametrize(
    ("second", "hint"),
    [
        ("/api/*", "are the same"),
        ("/API/*", "overlap if case is ignored"),
        ("/API", "overlap if case is ignored"),
        ("/Api/joke", "overlap if case is ignored"),
        ("/API/v2/*", "overlap if case is ignored"),
    ],
)
def test_routes_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, second: str, hint: str
) -> None:
    with pytest.raises(Refused, match=f"routes 1 and 2: .*{hint}"):
        read(tmp_path, ROUTE + ROUTE.replace("/api/*", second))


def test_a_byte_order_mark_is_overlooked(tmp_path: Path) -> None:
    """As an editor on Windows writes it."""
    (tmp_path / "routes.toml").write_text(ROUTE, encoding="utf-8-sig")
    assert read_routes(tmp_path / "routes.toml") == read(tmp_path, ROUTE)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="Save it as UTF-8"):
        read_routes(tmp_path / "routes.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: Is a directory"):
        read_routes(tmp_path)


def test_the_terms_can_be_chosen(tmp_path: Path) -> None:
    text = """
        refused = "withhold"
        shortest_intent = 30
        longest_intent = 3600.5
        allowed_origins = ["https://shop.example", "http://localhost:3000",
            "chrome-extension://abcdefgh", "https://[::1]:8443"]
    """
    chosen = read(tmp_path, text + ROUTE)
    assert chosen.refused == "withhold"
    assert chosen.lifetime == Lifetime(30, 3600.5)
    assert chosen.allowed_origins[:2] == (
        "https://shop.example",
        "http://localhost:3000",
    )
    assert len(chosen.allowed_origins) == 4
    every = read(tmp_path, f'allowed_origins = "*"\n{ROUTE}')
    assert every.allowed_origins == ("*",)


def test_what_is_not_chosen_has_a_default_that_protects(tmp_path: Path) -> None:
    routes = read(tmp_path, ROUTE)
    assert (routes.settle, routes.refused) == ("delivered", "deliver")
    assert routes.lifetime == Lifetime(shortest=10, longest=12 * 3600)
    assert routes.allowed_origins == ()


def test_thousands_of_routes_are_compared_at_once(tmp_path: Path) -> None:
    def routes(*paths: str) -> str:
        return "".join(ROUTE.replace("/api/*", path) for path in paths)

    many = [f"/api/{number % 40}/r{number}/*" for number in range(3000)]
    started = process_time()
    assert len(read(tmp_path, routes("/api/*", *many)).routes) == 3001
    assert process_time() - started < 5
    with pytest.raises(Refused, match=r"routes 1 and 3001: .*are the same"):
        read(tmp_path, routes(*many, many[0]))
    with pytest.raises(Refused, match=r"routes 8 and 3001: .*if case is ignored"):
        read(tmp_path, routes(*many, "/API/7/r7/x"))
    with pytest.raises(Refused, match=r"routes 1 and 9: .*if case is ignored"):
        read(tmp_path, routes("/API/7/*", *many))
