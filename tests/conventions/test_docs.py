"""The documentation is complete and true as far as a test can tell."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask.testing import FlaskClient

import manage
from core import migrations
from core.app import PACKAGES
from core.models import Base
from status.models import Status
from tests.support.commands import every_command
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
    for path, command in every_command(manage.COMMANDS):
        if not isinstance(command, click.Group):
            yield " ".join(path)


def is_documented(command: str, page: str) -> bool:
    """`source list`, also as `list` in a row that begins with another command of `source`."""
    group, _, member = command.rpartition(" ")
    rows = [line for line in page.splitlines() if line.startswith(f"| `{group or member}")]
    return any(re.search(rf"`(?:{group} )?{member}\b", row) for row in rows)


def test_every_command_is_described() -> None:
    page = text("operators.md")

    assert [one for one in commands() if not is_documented(one, page)] == []


def test_every_path_of_the_api_is_described(client: FlaskClient) -> None:
    page = text("integrators.md")

    spec = client.get("/openapi.json").get_json()

    assert [path for path in spec["paths"] if path not in page] == []


def test_the_api_reference_says_what_the_api_says_of_itself(client: FlaskClient) -> None:
    spec = client.get("/openapi.json").get_json()
    said = {
        (
            f"{method.upper()} {path}",
            call["summary"],
            ", ".join(code for code in call["responses"] if code < "4"),
        )
        for path, calls in spec["paths"].items()
        for method, call in calls.items()
    }

    rows = re.findall(r"^\| `([A-Z]+ /\S+)` \| (.+) \| ([\d, ]+) \|$", text("api.md"), re.MULTILINE)

    assert set(rows) == said


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


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    shown = set(re.findall(r"([\w-]+\.md)$", navigation, re.MULTILINE))

    assert shown == {page.name.lower() for page in PAGES}


@pytest.mark.parametrize("name", ["promises.md", "security.md"])
def test_every_test_that_is_named_is_there(name: str) -> None:
    shown = _TEST.findall(text(name))

    missing = [
        f"{path}::{name}"
        for path, name in shown
        if not (ROOT / path).is_file()
        or f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]

    assert shown
    assert missing == []


def test_each_of_the_twenty_promises_names_a_test() -> None:
    rows = [line for line in text("promises.md").splitlines() if re.match(r"\| P\d+ \|", line)]

    assert [row.split(" | ")[0] for row in rows] == [f"| P{number}" for number in range(1, 21)]
    assert [row for row in rows if not _TEST.search(row)] == []


def drawn(name: str) -> set[str]:
    """The words of a diagram."""
    picture = (DOCS / "pictures" / "diagrams" / f"{name}.svg").read_text(encoding="utf-8")
    return set(re.findall(r"<text [^>]*>([^<]+)</text>", picture))


def test_the_diagram_of_states_has_every_status() -> None:
    assert {str(status) for status in Status} <= drawn("states")


def test_the_diagram_of_tables_has_tables_that_are_there() -> None:
    migrations.load_models(PACKAGES)

    named = {word for word in drawn("tables") if re.fullmatch(r"[a-z_]+", word)}

    assert {"invoices", "deliveries"} <= named
    assert named <= set(Base.metadata.tables)


def test_pictures_ask_no_other_site() -> None:
    for picture in (DOCS / "pictures").rglob("*.svg"):
        content = picture.read_text(encoding="utf-8")

        assert not re.search(r"""(?:href=|url\()["']?https?:|@import|<script""", content)


def test_every_metric_is_described(client: FlaskClient, tmp_path: Path) -> None:
    rows = [line for line in text("monitoring.md").splitlines() if line.startswith("| `kuvert_")]
    described = {name for row in rows for name in re.findall(r"`(kuvert_\w+)`", row)}

    assert described == metric_names(client, tmp_path)
