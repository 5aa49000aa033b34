"""The audit in the browser: admins alone, found by whatever is known, never changed."""

import csv
import io

import pytest
from sqlalchemy import Row, select

from core import actor
from core.audit.models import AuditEntry
from core.db import reading, unit_of_work
from core.editing import By
from invoices import access, edits
from tests.admin.conftest import LogIn, Person
from tests.support.factories import SourceWithKey

pytestmark = pytest.mark.pages

ENTRIES = AuditEntry.__table__


@pytest.fixture
def renamed(source: SourceWithKey) -> Row[tuple[object, ...]]:
    """The entry of a source that somebody has renamed."""
    with actor.acting("bob@example.com", "they merged"), unit_of_work() as connection:
        edits.edit_source(connection, source.id, {"name": "<b>new</b> name"}, By("bob@example.com"))
    with reading() as connection:
        newest = select(ENTRIES).order_by(ENTRIES.c.id.desc()).limit(1)
        return connection.execute(newest).one()


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_the_audit_is_for_admins(
    person: LogIn, role: str, renamed: Row[tuple[object, ...]]
) -> None:
    somebody = person(role)

    for path in ("", f"details/?id={renamed.id}", "export/csv/"):
        assert somebody.get(f"/admin/audit/{path}").status_code == 403


def test_an_entry_shows_both_sides(admin: Person, renamed: Row[tuple[object, ...]]) -> None:
    html = admin.text(f"/admin/audit/details/?id={renamed.id}")

    assert '<td class="was" data-label="Before"><div>erp</div>' in html
    assert '<td class="is" data-label="After"><div>&lt;b&gt;new&lt;/b&gt; name</div>' in html
    assert "they merged" in html
    assert f"/admin/source/details/?id={renamed.row_id}" in html


@pytest.mark.parametrize(
    "address",
    [
        "actor=bob@example.com",
        "kind=sources&operation=update",
        "kind=sources&row_id={row}&operation=update",
        "search=merged",
        "search=b%3Enew",
        "at_from=2026-01-01&actor=bob@example.com",
    ],
)
def test_a_change_is_found(admin: Person, renamed: Row[tuple[object, ...]], address: str) -> None:
    html = admin.text(f"/admin/audit/?{address.format(row=renamed.row_id)}")

    assert "1 row<" in html
    assert "&lt;b&gt;new&lt;/b&gt; name" in html


@pytest.mark.parametrize("address", ["actor=eve", "kind=users&search=erp", "at_to=2020-01-01"])
def test_what_was_not_done_is_not_found(
    admin: Person, renamed: Row[tuple[object, ...]], address: str
) -> None:
    assert "Nothing fits" in admin.text(f"/admin/audit/?{address}")


def test_nobody_changes_an_entry(admin: Person, renamed: Row[tuple[object, ...]]) -> None:
    for page in ("new/", f"edit/?id={renamed.id}"):
        assert admin.get(f"/admin/audit/{page}").status_code == 404
        assert admin.post(f"/admin/audit/{page}").status_code == 404
    answer = admin.post("/admin/audit/delete/", id=renamed.id, confirmed="yes")
    assert answer.status_code == 404


def test_an_export_has_both_sides_and_no_secret(admin: Person, source: SourceWithKey) -> None:
    with unit_of_work() as connection:
        key = access.create_key(connection, source.id, source.environment)

    text = admin.text("/admin/audit/export/csv/")
    rows = list(csv.DictReader(io.StringIO(text)))

    assert {row["kind"] for row in rows} >= {"api_keys", "sources", "users"}
    assert '"name": "erp"' in text.replace('""', '"')
    assert key.rpartition("_")[2] not in text
