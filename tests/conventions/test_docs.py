"""The documentation is complete and true as far as a test can tell."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask.testing import FlaskClient

import manage
from core import settings
from core.cli import LazyCommand
from tests.support.data import ROOT
from tests.support.metric_names import metric_names

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md"))

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The places of a page, as forges name them: lower case, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def commands() -> Iterator[str]:
    """Every command as it is typed: `up`, `db upgrade`."""
    for name, (target, line) in manage.COMMANDS.items():
        command = LazyCommand(name, target=target, short_help=line).load()
        if isinstance(command, click.Group):
            yield from (f"{name} {member}" for member in command.commands)
        else:
            yield name


def is_documented(command: str, page: str) -> bool:
    """`source list`, also as `list` in a row that begins with another command of `source`."""
    group, _, member = command.rpartition(" ")
    rows = [line for line in page.splitlines() if line.startswith(f"| `{group or member}")]
    return any(re.search(rf"`(?:{group} )?{member}\b", row) for row in rows)


@pytest.mark.parametrize("name", settings.NAMES)
def test_every_setting_is_described(name: str) -> None:
    assert f"| `{name}` |" in text("operators.md")


def test_every_command_is_described() -> None:
    page = text("operators.md")

    assert [one for one in commands() if not is_documented(one, page)] == []


def test_every_path_of_the_api_is_described(client: FlaskClient) -> None:
    page = text("integrators.md")

    spec = client.get("/openapi.json").get_json()

    assert [path for path in spec["paths"] if path not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = _FENCED.sub("", page.read_text(encoding="utf-8"))
    links = [link for link in _LINK.findall(prose) if "://" not in link]
    broken = []
    for link in links:
        name, _, place = link.partition("#")
        target = page.parent / name if name else page
        if not target.is_file() or (place and place not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = text("index.md")

    assert [page.name for page in DOCS.glob("*.md") if page.name not in index] == ["index.md"]


def test_every_test_that_shows_a_promise_is_there() -> None:
    shown = _TEST.findall(text("promises.md"))

    missing = [
        f"{path}::{name}"
        for path, name in shown
        if not (ROOT / path).is_file()
        or f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]

    assert shown
    assert missing == []


def test_pictures_ask_no_other_site() -> None:
    for picture in (DOCS / "pictures").glob("*.svg"):
        content = picture.read_text(encoding="utf-8")

        assert not re.search(r"""(?:href=|url\()["']?https?:|@import|<script""", content)


def test_every_metric_is_described(client: FlaskClient, tmp_path: Path) -> None:
    rows = [line for line in text("monitoring.md").splitlines() if line.startswith("| `kuvert_")]
    described = {name for row in rows for name in re.findall(r"`(kuvert_\w+)`", row)}

    assert described == metric_names(client, tmp_path)
