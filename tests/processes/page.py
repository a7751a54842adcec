"""Results go into docs/proof.md, each to a place of its own."""

from pathlib import Path

_PAGE = Path("docs/proof.md")


def into_the_page(place: str, said: str) -> None:
    begin, end = f"<!-- {place} -->\n", f"<!-- end of {place} -->\n"
    before, found, rest = _PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    assert found, f"docs/proof.md has no place for {place}"
    _PAGE.write_text(before + begin + said + end + after)
