"""Hooks of MkDocs: pages that lie elsewhere join the site, and links out of it lead to the source.

README.md of the repository is the first page, and that of the chart a page of its own. Pages that
the navigation does not name follow it, so that no page can be forgotten.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = PurePosixPath("operator/docs")
ELSEWHERE = {
    "index.md": PurePosixPath("README.md"),
    "chart.md": PurePosixPath("charts/tokenfleet/README.md"),
}
"""Page of the site -> the file in the repository that it is made of."""
FOLDERS = {"runbooks": "Runbooks", "decisions": "Decisions"}
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append what the navigation does not name: single pages, then whole folders."""
    named = set(_named(config.nav))
    folder = Path(config.docs_dir)
    single = sorted(path.name for path in folder.glob("*.md") if path.name not in named)
    nav = [*(config.nav or []), *([{"More": single}] if single else [])]
    for name, title in FOLDERS.items():
        pages = sorted(f"{name}/{path.name}" for path in (folder / name).glob("*.md"))
        nav.append({title: pages})
    config.nav = nav
    return config


def _named(nav: Any) -> Iterator[str]:
    """Yield the pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _named(item)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere."""
    for name, source in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turn links into pages of the site, or into addresses of files in the repository."""
    name = page.file.src_uri
    source = ELSEWHERE.get(name, DOCS / name)
    address = "https://github.com/tokenfleet/tokenfleet/blob/main"

    def turned(found: re.Match[str]) -> str:
        opening, target, anchor = found[1], found[2], found[3] or ""
        if re.match(r"[a-z]+:", target):
            return found[0]
        path = PurePosixPath(os.path.normpath(source.parent / target))
        return f"{opening}{_place(path, name, address)}{anchor})"

    return _LINK.sub(turned, markdown)


def _place(path: PurePosixPath, page: str, address: str) -> str:
    """Return the link from a page to a file of the repository."""
    for there, source in ELSEWHERE.items():
        if source == path:
            return os.path.relpath(there, PurePosixPath(page).parent)
    inside = path.is_relative_to(DOCS) and (ROOT / path).is_file()
    if inside and path.suffix in {".md", ".svg", ".png", ".yaml"}:
        return os.path.relpath(path.relative_to(DOCS), PurePosixPath(page).parent)
    return f"{address}/{path}"
