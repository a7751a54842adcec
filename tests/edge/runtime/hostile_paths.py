"""Spellings of a path by somebody who does not want to pay: seeded, so that a failure
can be seen again.

Each keeps the shape of the path it starts from. Random text would hardly ever reach a
gated handler, and what reaches none tries nothing.
"""

import re
from collections.abc import Callable, Sequence
from random import Random

SLASHES = (
    *("%2f", "%2F", "//", "///", "/./", "/%2e/", "/%2E/", "\\", "%5c", "%5C"),
    *("%252f", "%c0%af", "%e0%80%af", "/;/", "/;a=b/", "/%3b/", "%2f/", "/%2f"),
    *("/x/../", "/x/%2e%2e/", "/x/.%2E/", "/x%2f..%2f", "/x/..;/", "/x/..;v=1/"),
    *("/x/..%5c", "/x\\..\\", "/x//../", "/%23/../", "/x%3f/../", "/x/y/../../"),
    *("/x//y/../../", "//x//../..//"),
)
PREFIXES = (
    *("/", "//", "/.", "/..", "/../..", "/%2e", "/%2e%2e", "/%2f", "/;", "/x/.."),
    *("/x/%2E%2E", "/x%2f..", "//evil.example/..", "/%23/..", "/x%23/..", "/\\"),
    *("/../static", "/../../srv/static", "/files/../static", "/http:", "/%00/.."),
    *("/x/y/../..", "/x//y/../..", "/%5c", "/%09", "/%20"),
)
SUFFIXES = (
    *("/", "//", "/.", "/..", "/x/..", "/%2e", "%2f", "/;", ";", ";v=1", "%3b", "%3bv"),
    *("#", "#x", "#x/../y", "%23", "%23x", "?", "%3f", "%3fx=1", "%00", "%00.html"),
    *("%0a", "%0A", "%0d%0a", "%09", "%20", "+", "%", "%6", "%zz", "%7f", ".", "%2e"),
    *("%c2%a0", "%e2%80%8b", "%ef%bb%bf", ".json", "*", "~", "::$DATA", "%5c", "/%20"),
)
INSIDE = (
    *(
        "%00",
        "%0a",
        "%09",
        "%20",
        "%7f",
        "%c2%ad",
        "%e2%80%8b",
        "%e2%80%8d",
        "%ef%bb%bf",
    ),
    *("%", "%%", "%u0061", ";", ".", "%2e"),
)
# What folds to an ASCII letter, or looks as if it did.
FOLDING = {
    "k": ("K", "%4B", "%E2%84%AA"),
    "s": ("S", "%53", "%C5%BF"),
    "i": ("I", "%49", "%C4%B0", "%C4%B1"),
    "a": ("A", "%41", "%EF%BD%81", "%C3%A1", "%D0%B0"),
}

CHARACTER = re.compile("%[0-9a-fA-F]{2}|.", re.DOTALL)

Respelling = Callable[[Random, str], str]


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - to be repeated, not to be kept secret


def hostile(random: Random, target: str) -> str:
    """A spelling of `target`, none to six steps away from it."""
    path = target
    for _ in range(random.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 6))):
        path = random.choice(_STEPS)(random, path)
    return "/" + path.removeprefix("/")


def _encode(random: Random, path: str) -> str:
    """Some characters once, in either case of the digits."""
    share = random.choice((0.05, 0.3, 1.0))
    return "".join(
        _escape(random, each) if each not in "/%#" and random.random() < share else each
        for each in CHARACTER.findall(path)
    )


def _escape(random: Random, character: str) -> str:
    if len(character) > 1:  # is escaped already
        return character
    form = random.choice(("%{:02x}", "%{:02X}"))
    return "".join(form.format(byte) for byte in character.encode())


def _encode_again(random: Random, path: str) -> str:
    """What is read once more than it should be is read as the path."""
    return path.replace("%", "%25") if "%" in path else _encode(random, path)


def _overlong(random: Random, path: str) -> str:
    at = random.randrange(len(path))
    byte = ord(path[at]) & 0x7F
    return (
        f"{path[:at]}%{0xC0 | byte >> 6:02x}%{0x80 | byte & 0x3F:02x}{path[at + 1 :]}"
    )


def _slash(random: Random, path: str) -> str:
    return _replace_one(random, path, "/", random.choice(SLASHES))


def _replace_one(random: Random, path: str, old: str, new: str) -> str:
    places = [at for at, each in enumerate(path) if each == old]
    if not places:
        return path
    at = random.choice(places)
    return path[:at] + new + path[at + 1 :]


def _prefix(random: Random, path: str) -> str:
    return random.choice(PREFIXES) + path


def _suffix(random: Random, path: str) -> str:
    return path + random.choice(SUFFIXES)


def _insert(random: Random, path: str) -> str:
    at = random.randrange(len(path) + 1)
    return path[:at] + random.choice(INSIDE) + path[at:]


def _fold(random: Random, path: str) -> str:
    if random.random() < 0.3:
        return path.upper()
    at = random.randrange(len(path))
    letter = path[at]
    return (
        path[:at]
        + random.choice(FOLDING.get(letter, (letter.swapcase(),)))
        + path[at + 1 :]
    )


_STEPS: Sequence[Respelling] = (
    *(_encode, _encode, _encode, _slash, _slash, _prefix, _suffix, _suffix),
    *(_encode_again, _overlong, _insert, _fold),
)


WORDS = (
    *("docs", "health", "static", "users", "a", "index.html", "app.3f2a1c.css", "v2"),
    *("search", "caf%C3%A9", "a%20b", "2026-02-07", "~ann", "b+c", "x,y", "(1)", "42"),
    *("%E6%97%A5%E6%9C%AC", "50%25", "fe9c1a52-8f6e-4d0e-9d7c-1f1c6d2a7b10", "_next"),
    *(".well-known", "favicon.ico", "me@example.org", "key=value", "A-Z", "joke.png"),
)


def ordinary(random: Random, gated: Sequence[str]) -> str:
    """A path of the same server that an honest client asks for, and that is free."""
    if random.random() < 0.3:
        return _neighbour(random, random.choice(gated))
    paid = {path.split("/")[1] for path in gated}
    first = random.choice([word for word in WORDS if word not in paid])
    words = [first, *random.choices(WORDS, k=random.randint(0, 4))]
    return "/" + "/".join(words) + random.choice(("", "", "/"))


def _neighbour(random: Random, gated: str) -> str:
    """Beside a gated path: longer by some letters, or somewhere else altogether."""
    path = gated.removesuffix("/*")
    more = random.choice(("x", "s", "2", "-free", "_", ".html", "~", "%20x", "%C3%A9"))
    if random.random() < 0.2:
        return "/preview" + path
    return path + more + random.choice(("", "/a", "/a/b"))
