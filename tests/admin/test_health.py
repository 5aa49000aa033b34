"""The page Health says what doctor says."""

import pytest
from flask import Flask
from sqlalchemy import update

from core.db import unit_of_work
from core.doctor import examining, lately
from core.schedules.models import Schedule
from tests.admin.conftest import Person


@pytest.fixture(autouse=True)
def look_anew(app: Flask) -> None:
    """Nothing was found lately."""
    app.extensions.pop("kuvert_doctor", None)


def test_a_viewer_reads_what_is_not_well_and_what_to_do(viewer: Person) -> None:
    html = viewer.text("/admin/health/")

    assert "none runs" in html
    assert "manage.py beat" in html
    assert '<span class="state state-bad">fail</span>' in html
    assert '<span class="state state-good">ok</span>' in html


def test_it_stands_in_the_menu_and_on_the_start_page(viewer: Person) -> None:
    assert viewer.text("/admin/").count('href="/admin/health/"') == 2


def test_a_page_that_is_loaded_again_looks_again_only_after_a_while(
    app: Flask, viewer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Flask] = []

    def count(app: Flask) -> list[examining.Line]:
        looks.append(app)
        return examining.examine(app)

    monkeypatch.setattr(lately, "examine", count)
    for _ in range(3):
        viewer.text("/admin/health/")

    assert len(looks) == 1


def test_what_others_have_written_is_shown_as_text(viewer: Person) -> None:
    table = Schedule.__table__
    with unit_of_work() as connection:
        connection.execute(update(table).values(alarm="<script>alert(1)</script>"))

    html = viewer.text("/admin/health/")

    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
