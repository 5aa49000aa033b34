"""Hostile strings in every text field of every form and act, and out again: nothing comes alive."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Table, insert, select
from wtforms import Field, SelectField, SelectMultipleField, StringField, TextAreaField

from admin.acts import ActForm
from admin.base import TableView
from admin.forms import AdminForm
from admin.views import every_view
from callbacks.models import Callback, MailRule
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.ids import new_id
from core.pause_models import DispatchPause
from core.people import services
from core.queues import TaskName
from core.schedules import edits as schedules
from core.spreadsheets import FORMULA
from core.web import settings
from invoices.letters import Template
from invoices.models import BulkAct
from invoices.report_models import ReportMail
from invoices.services import holds, letters, totals
from invoices.suppression_models import Suppression
from tests.admin.conftest import Person
from tests.admin.hostile import plant, signs_of_life
from tests.support import factories
from tests.support.strings import formulas, naughty

pytestmark = pytest.mark.pages

VIEWS = {view.endpoint: view for view in every_view() if isinstance(view, TableView)}
FEWER = 32
"""A form gets one string of so many in a normal run, each form others; a storm sends all to all."""

MOST_PAGES = 12
"""Pages of single rows that are looked at; lists show every string."""


@pytest.fixture
def strings() -> list[str]:
    return [*formulas(), *naughty()]


@pytest.fixture
def desk_of_all(admin: Person) -> None:
    """A row in each table that a page shows."""
    source = factories.add_source("erp")
    invoice = factories.add_invoice(source)
    factories.add_subscription(source)
    factories.add_event(source, invoice, 99)
    with unit_of_work() as connection:
        services.add(connection, "other@example.com", "viewer")
        every_hour = {"task": TaskName.GET_TOTAL_INVOICES, "every_seconds": 3600}
        schedules.add(connection, "ours", every_hour, By("carl"))
        letters.add_template(connection, Template("Invoice {{ number }}", "Good day"))
        holds.hold_address(connection, "disputed@buyer.example", by="carl", reason="case 4711")
    week = totals.Week.before(utcnow() + timedelta(days=7), settings().timezone)
    with unit_of_work() as connection:
        totals.store(connection, week)
        connection.execute(insert(Callback.__table__).values(_callback()))
        connection.execute(insert(BulkAct.__table__).values(_bulk_act()))
        for table, row in _rows_of_mail(source.id).items():
            connection.execute(insert(table).values({"id": new_id(), **row}))


def _callback() -> dict[str, object]:
    nothing = dict.fromkeys(("provider_id", "mail_key", "note", "provider_status", "delivery_id"))
    return {
        **nothing,
        "id": new_id(),
        "kind": "dsn",
        "headers": {},
        "body": b"{}",
        "body_sha256": "0" * 64,
        "dedupe_key": "k",
        "state": "unparsable",
        "look_count": 1,
        "received_at": utcnow(),
    }


def _bulk_act() -> dict[str, object]:
    counts = {"total": 0, "done_count": 0, "refused_count": 0}
    return {
        **counts,
        "id": new_id(),
        "nonce": "n",
        "verb": "hold",
        "reason": "r",
        "actor": "a",
        "is_confirmed": True,
        "options": {},
        "state": "done",
        "created_at": utcnow(),
    }


def _rows_of_mail(source_id: UUID) -> dict[Table, dict[str, object]]:
    """Return a row of each table that says something of mails, or of pauses."""
    now = utcnow()
    suppression = {"soft_count": 0, "is_hard": True, "suppressed_at": now, "created_at": now}
    mail = {"week": "2026-W46", "once": "o", "recipients": ["a@example.com"], "state": "sent"}
    rule = {"likeness": "l", "said_by": "s", "dsn_status": "", "template": "t", "ruling": "none"}
    pause = {"reason": "r", "paused_at": now, "paused_by": "p", "resumed_at": now}
    return {
        Suppression.__table__: suppression | {"source_id": source_id, "address": "a@example.com"},
        ReportMail.__table__: mail | {"asked_by": "a", "attempt_count": 0, "created_at": now},
        MailRule.__table__: rule
        | {"reason": "r", "is_disabled": False, "hits": 0, "created_at": now},
        DispatchPause.__table__: pause,
    }


# Out: lists, pages of rows, exports


@pytest.mark.usefixtures("desk_of_all")
@pytest.mark.parametrize("name", VIEWS)
def test_no_string_comes_alive_where_it_is_shown(
    admin: Person, strings: list[str], name: str
) -> None:
    view = VIEWS[name]
    place = f"/admin/{name}"
    keys = plant(view.table, strings)
    pages = [f"{place}/?page_size=100&page={number}" for number in range(len(keys) // 100 + 1)]
    pages += [f"{place}/details/?id={key}" for key in keys[:MOST_PAGES]]

    for page in pages:
        assert signs_of_life(admin.text(page), strings) == [], page
    if view.can_export:
        rows = list(csv.reader(io.StringIO(admin.text(f"{place}/export/csv/"))))
        assert len(rows) > len(keys)
        assert [cell for row in rows for cell in row if _is_live(cell)] == []


def _is_live(cell: str) -> bool:
    """Tell whether a spreadsheet would run a cell; a number with its sign is none it runs."""
    return cell.lstrip().startswith(FORMULA) and not cell[1:].replace(".", "", 1).isdecimal()


@pytest.mark.usefixtures("desk_of_all")
@pytest.mark.parametrize("name", VIEWS)
def test_no_string_comes_alive_in_a_search(admin: Person, strings: list[str], name: str) -> None:
    for text in strings[::FEWER]:
        html = admin.client.get(f"/admin/{name}/", query_string={"search": text}).text
        assert signs_of_life(html, strings) == [], text


# In: every text field of every form and act


def text_fields(form: AdminForm) -> list[Field]:
    return [
        field
        for field in form
        if isinstance(field, StringField | TextAreaField)
        and not isinstance(field, SelectField | SelectMultipleField)
    ]


def sent_by(app: Flask, form_class: type[AdminForm], text: str) -> dict[str, Any]:
    """Return a form in which each text field holds `text`, and each choice something offered."""
    with app.test_request_context("/admin/"):
        form = form_class(formdata=None)
        fields = {field.name: text for field in text_fields(form)}
        for field in form:
            if isinstance(field, SelectField) and not isinstance(field, SelectMultipleField):
                offered = [value for value, *_ in field.iter_choices() if value]
                fields[field.name] = str(offered[0]) if offered else ""
        return fields


def forms_of(app: Flask, view: TableView) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield where the forms of a view are sent to, their classes by name, and what goes along."""
    place = f"/admin/{view.endpoint}"
    with reading() as connection:
        # The newest: the oldest user is who is logged in.
        newest = select(view.table.c.id).order_by(view.table.c.id.desc()).limit(1)
        key = connection.scalar(newest)
    yield f"{place}/new/", "create", {}
    yield f"{place}/edit/?id={key}", "edit", {}
    for act in view.acts:
        yield f"{place}/action/", act.name, {"rowid": str(key), "confirmed": "yes"}


def class_of(view: TableView, name: str) -> type[AdminForm] | None:
    """Return the form of a view that is called `name`; None where there is none."""
    if name == "create":
        return view.form if view.create_role else None
    if name == "edit":
        return (view.edit_form_class or view.form) if view.edit_role else None
    return next(act.form for act in view.acts if act.name == name)


def send(app: Flask, admin: Person, view: TableView, strings: list[str], step: int) -> None:
    """Send every `step`th string through all text fields of the view's forms and acts."""
    token = admin.token()
    for number, (path, form_name, more) in enumerate(forms_of(app, view)):
        form_class = class_of(view, form_name)
        if form_class is None or "x" not in sent_by(app, form_class, "x").values():
            continue
        for text in strings[number % step :: step]:
            fields = {**sent_by(app, form_class, text), **more, "csrf_token": token}
            if issubclass(form_class, ActForm):
                fields |= {"action": form_name, "url": ""}
            answer = admin.client.post(path, data=fields)
            assert answer.status_code in {200, 302, 409}, (path, text, answer.text[:2000])
            if answer.status_code == 200:
                assert signs_of_life(answer.text, strings) == [], (path, text)


@pytest.mark.usefixtures("desk_of_all")
@pytest.mark.parametrize("name", VIEWS)
def test_no_string_breaks_a_form_or_an_act(
    app: Flask, admin: Person, strings: list[str], name: str
) -> None:
    send(app, admin, VIEWS[name], strings, FEWER)


@pytest.mark.storm
@pytest.mark.usefixtures("desk_of_all")
@pytest.mark.parametrize("name", VIEWS)
def test_none_of_all_strings_breaks_any_form_or_act(
    app: Flask, admin: Person, strings: list[str], name: str
) -> None:
    send(app, admin, VIEWS[name], strings, 1)
