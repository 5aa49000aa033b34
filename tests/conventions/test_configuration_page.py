"""docs/configuration.md says of every setting what core/settings.py does with it."""

import re
from pathlib import Path

import pytest

from core import settings
from core.settings import Settings
from tests.support.data import ROOT
from tests.support.loading import KEY, load, problem

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^### KUVERT_(\w+)\n(.+?)(?=^##)", PAGE, flags=re.MULTILINE | re.DOTALL)
)
NAMES = [name.removeprefix("KUVERT_") for name in settings.NAMES]


def said(name: str, about: str) -> str:
    """What the page says of a setting: its Default, Allowed, Example, Secret."""
    found = re.search(rf"^- {about}: (.+)$", SECTIONS[name], re.MULTILINE)
    assert found, f"{name} has no {about}"
    return found[1]


def read(root: Path, name: str, **values: str) -> object:
    return getattr(load(root, **values), name.lower())


def test_every_setting_is_described_and_nothing_else() -> None:
    assert sorted(SECTIONS) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_is_that_of_the_code(tmp_path: Path, name: str) -> None:
    default = said(name, "Default")
    value = read(tmp_path, name)

    if default.startswith("none"):
        assert value is None
    elif default.startswith("made once"):
        assert value == (tmp_path / "var" / "secret_key").read_text(encoding="ascii").strip()
    else:
        assert value == read(tmp_path, name, **{name: default.split("`")[1]})


@pytest.mark.parametrize("name", NAMES)
def test_what_is_allowed_is_what_the_code_takes(tmp_path: Path, name: str) -> None:
    if name in ("HOME", "ENVIRONMENT"):  # take nearly any text
        return
    refusal = problem(tmp_path, **{"SECRET_KEY": KEY, name: "\x01"})

    allowed = said(name, "Allowed")
    bounds = re.search(r"from (\S+ to \S+)$", refusal)
    choices = re.search(r"set (one of [\w, ]+|on or off)$", refusal)
    if bounds:
        assert allowed == bounds[1]
    elif choices:
        expected = re.split(r", | or ", choices[1].removeprefix("one of "))
        assert re.findall(r"`(\w+)`", allowed) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_taken(tmp_path: Path, name: str) -> None:
    example = re.fullmatch(rf"`KUVERT_{name}=(.+)`", said(name, "Example"))

    assert example
    others = {"SECRET_KEY": KEY, "PUBLIC_URL": "https://invoices.example.org"}
    load(tmp_path, **{**others, name: example[1]})


@pytest.mark.parametrize("name", NAMES)
def test_what_may_hold_a_secret_is_said(name: str) -> None:
    is_hidden = not Settings.__dataclass_fields__[name.lower()].repr

    assert said(name, "Secret") == ("yes" if is_hidden else "no")
