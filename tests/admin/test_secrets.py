"""No secret is shown or exported, on any page, to anybody."""

import pytest
from flask import Flask
from sqlalchemy import JSON, LargeBinary, String, Table, select, update

from admin.base import TableView
from admin.views import every_view
from core import secret_columns
from core.clock import utcnow
from core.db import db, reading, unit_of_work
from core.models import Base
from core.people.models import Passkey, User
from invoices.models import ApiKey
from tests.admin.conftest import Person
from tests.support import factories

CANARY = "k4nary"


def secret_tables() -> list[Table]:
    return [Base.metadata.tables[name] for name in secret_columns.SECRET]


@pytest.fixture
def planted(admin: Person, source: factories.SourceWithKey) -> None:
    """A desk with a row in each table, and a canary in each secret column that takes text."""
    factories.add_invoice(source)
    factories.add_subscription(source)
    with unit_of_work():
        user = db.session.scalars(select(User)).one()
        fields = {"name": "laptop", "usage": "first", "device_type": "single_device"}
        keys = {"credential_id": CANARY.encode(), "public_key": CANARY.encode()}
        times = {"lastuse_datetime": utcnow(), "sign_count": 0, "backup_state": False}
        db.session.add(Passkey(user_id=user.id, **fields, **keys, **times))
    with unit_of_work() as connection:
        for table in secret_tables():
            values = {name: _canary(table, name) for name in secret_columns.of(table)}
            # The session that looks must stay the admin's own.
            values = {name: value for name, value in values.items() if value is not None}
            if values:
                connection.execute(update(table).values(values))


def _canary(table: Table, name: str) -> object:
    kind = table.c[name].type
    if name == "fs_uniquifier":
        return None
    if isinstance(kind, JSON):
        return [CANARY]
    if isinstance(kind, LargeBinary):
        return CANARY.encode()
    return CANARY if isinstance(kind, String) else None


def addresses(app: Flask) -> list[str]:
    """Every list and export, and the page, form and history of the first row of each."""
    found = []
    for view in every_view():
        place = f"/admin/{view.endpoint}/"
        if isinstance(view, TableView):
            found += [place, f"{place}export/csv/", f"{place}?search={CANARY}"]
            with reading() as connection:
                first = connection.scalar(select(view.table.c.id).limit(1))
            if first is not None:
                found += [f"{place}{page}/?id={first}" for page in ("details", "edit")]
    return found


def test_no_page_and_no_export_shows_a_secret(app: Flask, admin: Person, planted: None) -> None:
    seen = []
    for address in addresses(app):
        answer = admin.get(address)
        if answer.status_code == 200:
            seen.append(address)
            text = answer.get_data(as_text=True).replace(f"search={CANARY}", "")
            assert f">{CANARY}" not in text, address
            assert CANARY not in text.replace(f'value="{CANARY}"', ""), address

    assert len(seen) > 10


def test_the_audit_tells_no_secret(app: Flask, admin: Person, planted: None) -> None:
    entries = Base.metadata.tables["audit_entries"]
    with reading() as connection:
        written = str(connection.execute(select(entries)).all())

    assert "secret_sha256" in written
    assert CANARY not in written


def test_a_view_over_a_secret_does_not_start(app: Flask) -> None:
    class Leak(TableView):
        model = ApiKey
        columns = ("prefix", "secret_sha256")

    with pytest.raises(ValueError, match="secret_sha256 must not be shown"):
        Leak(name="Leak", endpoint="leak")


def test_what_a_view_does_not_list_is_withheld_too(app: Flask) -> None:
    class Quiet(TableView):
        model = ApiKey
        columns = ("prefix",)

    view = Quiet(name="Quiet", endpoint="quiet")

    assert "secret_sha256" not in view.column_details_list
    assert "secret_sha256" not in view.scaffold_list_columns()
