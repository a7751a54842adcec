"""What the site needs beyond docs/: the README as its first page, and links that leave
docs/ for a file of the repository.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

HOME = "index.md"
ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    page = (ROOT / "README.md").read_text()
    files.append(File.generated(config, HOME, content=page))
    return files


def on_page_markdown(
    markdown: str, *, page: Page, config: MkDocsConfig, **_: object
) -> str:
    source = page.file.src_uri
    file = ROOT / ("README.md" if source == HOME else f"docs/{source}")

    def relinked(found: re.Match[str]) -> str:
        path, place = found[1], found[2] or ""
        target = (file.parent / path).resolve()
        if not target.exists():
            raise PluginError(f"{source} links to {path}, which is not there")
        name = target.relative_to(ROOT).as_posix()
        if name == "README.md":
            return f"]({'../' * source.count('/')}{HOME}{place})"
        if name.startswith("docs/") and name.endswith((".md", ".png")):
            return f"]({path.removeprefix('docs/')}{place})"
        return f"]({config.repo_url}/blob/main/{name}{place})"

    return LINK.sub(relinked, markdown)
