"""The documentation builds as a site, strictly: links and anchors lead somewhere, pages are found."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT, files

DOCS = Path("operator/docs")
PAGES = [path for path in files() if path.suffix == ".md" and DOCS in path.parents]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it once."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--config-file", "operator/site/mkdocs.yml", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_site_and_can_be_searched(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0].strip("/") for entry in index["docs"]}
    wanted = {str(path.relative_to(DOCS).with_suffix("")) for path in PAGES}

    assert wanted <= found
    assert {"", "chart"} <= found


def test_every_page_is_in_the_navigation(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    missing = [
        str(path)
        for path in PAGES
        if f'href="{path.relative_to(DOCS).with_suffix("")}/"' not in text
    ]

    assert missing == []


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")

    assert re.findall(r'<(?:script|img)[^>]+src="?(?:https?:)?//', text) == []
    assert re.findall(r'<link[^>]+rel="?(?:stylesheet|preconnect)"?[^>]+href="?https?:', text) == []
