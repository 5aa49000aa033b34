"""Bad inputs to the pages of staff, F01 to F17 and F27 to F36: each gets its answer, none a 500.

The schedule's (F18 to F26) are in test_bad_schedules.py. Those of the login are tested where the
login is: F29 in tests/core/people/test_attempts.py, F30 and F31 in test_sessions.py there.
"""

import csv
import io
import logging
import tracemalloc
from collections.abc import Iterator
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from wtforms.form import BaseForm

from admin import exports
from admin.base import TableView
from admin.forms import MoneyField
from admin.views import every_view
from core.db import database, reading
from invoices.models import Document
from invoices.setup import SOURCES
from status.models import Status
from tests.admin.conftest import LogIn, Person
from tests.admin.markup import fields_of
from tests.support import desk, million
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages

DOCUMENTS = Document.__table__

SOURCE = "/admin/source"
ACTION = "/admin/invoice/action/"
SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd|' /C calc'!A0"


def tables() -> list[TableView]:
    return [view for view in every_view() if isinstance(view, TableView)]


def edit_form(admin: Person, source: SourceWithKey) -> dict[str, str]:
    """Return the fields of a source's form, as a browser would send them back."""
    return fields_of(admin.text(f"{SOURCE}/edit/?id={source.id}"), "form")


@pytest.mark.parametrize(
    "path",
    [
        f"{SOURCE}/new/",
        f"{SOURCE}/edit/?id={{id}}",
        f"{SOURCE}/delete/",
        f"{SOURCE}/action/",
        ACTION,
        f"{SOURCE}/ajax/update/",
        "/admin/schedule/preview/",
    ],
)
@pytest.mark.parametrize("token", [None, "", "wrong", "IjEi.aaaaaa.bbbb"])
def test_f01_a_form_without_its_token_changes_nothing(
    admin: Person, source: SourceWithKey, path: str, token: str | None
) -> None:
    fields = {"name": "stolen", "id": str(source.id), "confirmed": "yes", "csrf_token": token}

    answer = admin.client.post(
        path.format(id=source.id), data={k: v for k, v in fields.items() if v is not None}
    )

    assert answer.status_code == 400
    assert "The form has expired; reload it" in answer.text
    assert desk.only(SOURCES).name == "erp"


def test_f02_fields_that_no_form_has_are_ignored_and_logged(
    admin: Person, source: SourceWithKey, caplog: pytest.LogCaptureFixture
) -> None:
    more = {"api_client_id": "1", "status": "x", "is_disabled": "y", "secret": "s3cret"}

    with caplog.at_level(logging.WARNING):
        admin.post(
            f"{SOURCE}/edit/?id={source.id}",
            **{**edit_form(admin, source), "name": "renamed", "environment": "live", **more},
        )

    after = desk.only(SOURCES)
    assert (after.name, after.is_disabled, after.environment) == ("renamed", False, "test")
    [record] = [one for one in caplog.records if "were ignored" in one.getMessage()]
    sent = ["api_client_id", "environment", "is_disabled", "secret", "status"]
    assert record.__dict__["fields"] == sent
    assert "s3cret" not in caplog.text


def test_f03_the_second_of_two_editors_sees_both_versions(
    admin: Person, person: LogIn, source: SourceWithKey
) -> None:
    ann = person("admin", name="ann")
    seen = edit_form(admin, source)
    ann.post(f"{SOURCE}/edit/?id={source.id}", **{**edit_form(ann, source), "name": "hers"})

    page = admin.post(f"{SOURCE}/edit/?id={source.id}", **{**seen, "name": "mine"}).text

    assert desk.only(SOURCES).name == "hers"
    assert "Somebody else has changed this" in page
    assert "changed by ann@example.com at 20" in page
    assert "<td>hers</td><td>mine</td>" in page


def amount_errors(text: str) -> list[str]:
    """Return what a field says of an amount."""
    form = BaseForm({"amount": MoneyField("Amount")})
    form.process(MultiDict([("amount", text)]))
    form.validate()
    return list(form["amount"].errors)


@pytest.mark.parametrize("text", ["NaN", "1e400", "-Infinity", "sNaN1", "1e99999999", "٣", "--1"])
def test_f04_what_is_no_amount_is_told_at_its_field(app: Flask, text: str) -> None:
    with app.test_request_context():
        assert amount_errors(text) == ["not an amount"]


@pytest.mark.parametrize("text", ["1,50", "1.234,50", "1,234.50"])
def test_f05_a_comma_is_never_guessed_at(app: Flask, text: str) -> None:
    with app.test_request_context(headers={"Accept-Language": "de"}):
        [why] = amount_errors(text)

    assert "a point before the decimals" in why


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-13-01", "30.02.2026", "999999999-01-01", "0001-01-01"]
)
def test_f06_a_day_that_is_not_is_told(admin: Person, text: str) -> None:
    assert "a date such as" in admin.text(f"/admin/invoice/?created_from={text}")


@pytest.mark.parametrize(
    ("name", "words"), [("x" * 101, "longer than 100 characters"), ("a" * 1_000_000, "longer than")]
)
def test_f07_a_text_that_is_too_long_is_told_at_its_field(
    admin: Person, name: str, words: str
) -> None:
    page = admin.post(f"{SOURCE}/new/", name=name, environment="test", provider_id="").text

    assert words in page
    assert "field-wrong" in page
    assert desk.rows(SOURCES) == []


@pytest.mark.parametrize("name", ["a\x00b", "a\x1bb", "\x00"])
def test_f08_a_text_with_nul_is_told_at_its_field(admin: Person, name: str) -> None:
    page = admin.post(f"{SOURCE}/new/", name=name, environment="test", provider_id="").text

    assert "has a character that cannot be shown" in page
    assert desk.rows(SOURCES) == []


@pytest.mark.parametrize("text", ["1" * 30, "-" + "9" * 30, "1_000", "٣٣", "0x10", "1e3"])
def test_f09_a_number_that_is_none_is_told_at_its_field(
    admin: Person, source: SourceWithKey, text: str
) -> None:
    form = {"source_id": source.id, "environment": "", "expires_days": text}

    page = admin.post("/admin/api_key/new/", **form).text

    assert "a whole number of at most nine digits" in page
    assert "field-wrong" in page


@pytest.mark.parametrize("page", ["99999999999999999999", "1e9", "-1", "٣", "", "0x1"])
def test_f10_an_odd_page_number_shows_rows(admin: Person, source: SourceWithKey, page: str) -> None:
    add_invoice(source, number="A-1")

    assert "A-1" in admin.text(f"/admin/invoice/?page={page}")


@pytest.mark.parametrize(
    "wrong", ["1,2", "", "abc", "'", "%00", "9" * 99, "018f0000-0000-7000-8000-000000000000"]
)
def test_f11_an_odd_id_is_not_found_on_any_page(admin: Person, wrong: str) -> None:
    for view in tables():
        for page in ("details", "edit"):
            answer = admin.get(f"/admin/{view.endpoint}/{page}/?id={wrong}")
            assert answer.status_code == 404, answer.request.path


def test_f12_a_page_is_never_larger_than_offered(admin: Person, source: SourceWithKey) -> None:
    for number in range(101):
        add_invoice(source, number=f"N-{number:03}")

    for size in ("1000000", "0", "-5", "100"):
        assert admin.text(f"/admin/invoice/?page_size={size}").count('name="rowid"') <= 100


@pytest.mark.parametrize("address", ["sort=999", "flt0_0=abc", "search=%00", "desc=x&sort=-1"])
def test_f13_what_an_address_cannot_mean_is_ignored_on_any_page(
    admin: Person, address: str
) -> None:
    for view in tables():
        html = admin.text(f"/admin/{view.endpoint}/?{address}")
        assert "Ignored:" in html or view.endpoint == "schedule"


def test_f13_no_filter_takes_what_no_text_has(admin: Person) -> None:
    """PostgreSQL would refuse the statement."""
    for view in tables():
        for item in view.narrowed_by:
            html = admin.text(f"/admin/{view.endpoint}/?{item.name}=a%00b")
            assert f"{item.label}: a character that no text has" in html, (view, item.name)


def test_f14_a_script_is_shown_as_text(admin: Person, source: SourceWithKey) -> None:
    seller = {"name": SCRIPT, "id": SCRIPT[:120]}
    invoice_id = add_invoice(source, number="X-1", seller=seller, buyer={"name": SCRIPT})

    pages = [
        admin.text("/admin/invoice/"),
        admin.text(f"/admin/invoice/details/?id={invoice_id}"),
        admin.post(ACTION, action="hold", rowid=invoice_id).text,
    ]

    assert not any(SCRIPT in page for page in pages)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[1]


def test_f15_a_formula_is_exported_as_text(admin: Person, source: SourceWithKey) -> None:
    add_invoice(source, number="X-1", seller={"name": FORMULA}, external_id=FORMULA)

    rows = list(csv.DictReader(io.StringIO(admin.text("/admin/invoice/export/csv/"))))

    assert (rows[0]["seller_name"], rows[0]["external_id"]) == (f"'{FORMULA}", f"'{FORMULA}")


def exported(admin: Person) -> Iterator[bytes]:
    answer = admin.client.get("/admin/invoice/export/csv/", buffered=False)
    assert answer.status_code == 200
    return answer.iter_encoded()


def peak_of_an_export(admin: Person, count: int) -> float:
    """Fill the desk, export it, and return the MB that the export took at most."""
    million.fill(database(), count)
    tracemalloc.start()
    lines = sum(part.count(b"\n") for part in exported(admin))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == count + 1
    return peak / 1e6


@pytest.mark.one_database
def test_f16_an_export_takes_no_more_memory_than_a_batch(admin: Person) -> None:
    assert peak_of_an_export(admin, exports.BATCH * 2 + 1) < 60


def test_f17_no_export_has_a_column_for_secrets(admin: Person, source: SourceWithKey) -> None:
    """That no value of one is on any page either is in test_secrets.py."""
    for view in tables():
        [heads, *_] = csv.reader(io.StringIO(admin.text(f"/admin/{view.endpoint}/export/csv/")))
        assert not view.withheld.intersection(heads)
        assert not [head for head in heads if "secret_sha" in head or head == "password"]


def invoices_in(*statuses: Status) -> list[UUID]:
    """Return some invoices of a large desk in these states."""
    columns = desk.INVOICES.c
    with reading() as connection:
        mine = select(columns.id).where(columns.status.in_(statuses))
        return list(connection.scalars(mine.order_by(columns.id)))


def test_f27_resending_thousands_asks_with_counts_first(approver: Person) -> None:
    million.fill(database(), 5_001)
    *every, _ = invoices_in(*Status)
    delivered = len(set(invoices_in(Status.DELIVERED)) & set(every))

    page = approver.post(ACTION, action="resend", rowid=every).text

    assert len(every) == 5_000
    assert f"delivered</span> \u00d7 {delivered}<" in page
    assert "failed</span> \u00d7 3<" in page
    assert 'type="checkbox" value="y"' in page
    assert len(desk.rows(desk.DELIVERIES)) == 5_001

    answer = approver.post(ACTION, action="resend", rowid=invoices_in(*Status))
    assert "At most 5,000 rows at once" in approver.message(answer)


def test_f27_what_was_delivered_needs_a_second_tick(approver: Person) -> None:
    million.fill(database(), 2_000)
    ids = [*invoices_in(Status.FAILED), *invoices_in(Status.DELIVERED)[:2]]
    form = {"action": "resend", "rowid": ids, "confirmed": "yes", "reason": "lost"}

    without = approver.message(approver.post(ACTION, **form))
    failed = len(ids) - 2
    assert f"Done for {failed} row" in without
    assert without.count("confirm that it shall go out twice") == 2

    ticked = approver.message(approver.post(ACTION, **{**form, "confirm": "y"}))
    assert "Done for 2 rows" in ticked


def test_f27_many_at_once_are_for_approvers(operator: Person) -> None:
    million.fill(database(), 101)

    answer = operator.post(ACTION, action="hold", rowid=invoices_in(*Status), confirmed="yes")

    assert "More than 100 rows at once are for approvers" in operator.message(answer)


def test_f27_who_is_no_approver_reaches_nobody_twice(operator: Person) -> None:
    million.fill(database(), 300)
    [sent, *_] = invoices_in(Status.DELIVERED)
    form = {"reason": "lost", "confirmed": "yes", "confirm": "y"}

    answer = operator.post(ACTION, action="resend", rowid=sent, **form)

    assert "approvers alone send to somebody twice" in operator.message(answer)


def test_f28_a_double_click_resends_once(approver: Person) -> None:
    """Even where the first has gone out in between and could be resent again."""
    million.fill(database(), 300)
    [one, *_] = invoices_in(Status.DELIVERED)
    asked = approver.post(ACTION, action="resend", rowid=one).text
    fields = {**fields_of(asked, "confirm"), "reason": "lost", "confirm": "y"}

    approver.client.post(ACTION, data=fields)
    desk.change(desk.INVOICES, status=Status.DELIVERED)
    second = approver.client.post(ACTION, data=fields)

    assert "it has changed since you were asked" in approver.message(second)
    mine = [row for row in desk.rows(desk.DELIVERIES) if row.invoice_id == one]
    assert len(mine) == 2


def writing_pages(view: TableView) -> list[tuple[str, str]]:
    """Return the pages of a view that change something, and how they are asked for."""
    place = f"/admin/{view.endpoint}"
    acts = [("POST", f"{place}/action/?action={act.name}") for act in view.acts]
    forms = [(verb, f"{place}/{page}/") for verb in ("GET", "POST") for page in ("new", "edit")]
    return [*acts, *forms, ("POST", f"{place}/delete/")]


def test_f32_a_viewer_changes_nothing_on_any_page(viewer: Person) -> None:
    for view in tables():
        for verb, path in writing_pages(view):
            address, _, query = path.partition("?")
            fields = {"confirmed": "yes", "rowid": str(uuid4()), "id": str(uuid4())}
            fields |= dict([query.split("=")]) if query else {}
            answer = viewer.get(address) if verb == "GET" else viewer.post(address, **fields)
            assert answer.status_code in {403, 404}, (verb, path, answer.status_code)


@pytest.mark.parametrize(
    "there",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:/evil.example",
        "/admin/\r\nSet-Cookie: a=b",
    ],
)
def test_f33_no_address_leads_to_another_site(
    admin: Person, source: SourceWithKey, there: str
) -> None:
    """That of the login is tested in tests/core/people/test_login.py."""
    edit = f"{SOURCE}/edit/?id={source.id}&url={quote(there)}"
    fields = {**edit_form(admin, source), "name": "renamed"}
    invoice = add_invoice(source)

    shown = admin.text(edit)
    saved = admin.post(edit, **fields)
    done = admin.post(ACTION, action="hold", rowid=invoice, reason="x", confirmed="yes", url=there)

    assert 'href="' + there not in shown
    assert "evil.example/" not in shown.replace(quote(there), "")
    assert saved.headers["Location"].startswith("/admin/")
    assert done.headers["Location"].startswith("/admin/")


def test_f34_there_is_no_editing_in_lists(admin: Person) -> None:
    """Flask-Admin answers a bad value there with 500; what we leave out cannot fail."""
    for view in tables():
        answer = admin.post(f"/admin/{view.endpoint}/ajax/update/", list_form_pk="1", name="x")
        assert answer.status_code == 404


@pytest.mark.parametrize("body", [b"<svg onload='alert(1)'/>", b"<html><script>alert(1)</script>"])
def test_f35_what_came_from_outside_is_downloaded_and_never_rendered(
    admin: Person, source: SourceWithKey, body: bytes
) -> None:
    """The body of a callback: test_records.py."""
    invoice_id = add_invoice(source)
    desk.change(DOCUMENTS, body=body, media_type="image/svg+xml")

    answer = admin.get(f"/admin/invoice/document/?id={invoice_id}")

    assert answer.data == body
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_f36_no_other_site_frames_a_page(admin: Person) -> None:
    for path in ["/admin/", "/login", *(f"/admin/{view.endpoint}/" for view in tables())]:
        headers = admin.get(path).headers
        if "Content-Security-Policy" in headers:
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Frame-Options"] == "DENY"
        else:
            assert headers["Location"].startswith("/")
