"""The pages of sources: first key shown once, edits, who may."""

import re
from uuid import UUID

import pytest

from core.db import reading, unit_of_work
from core.editing import By
from core.web import settings
from invoices import access, edits, setup
from invoices.models import ApiKey
from invoices.setup import NewProvider
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.support import desk, factories

pytestmark = pytest.mark.pages

SOURCE = "/admin/source"
KEY = re.compile(r"kv_(?:live|test)_[0-9a-f]{12}_[0-9a-f]{64}")


def source_id(name: str) -> UUID:
    with reading() as connection:
        return UUID(str(setup.source(connection, name).id))


def test_a_new_source_shows_its_first_key_this_once(admin: Person) -> None:
    answer = admin.post(f"{SOURCE}/new/", name="shop", environment="live", provider_id="")
    [key, *_] = KEY.findall(answer.get_data(as_text=True))
    page = f"{SOURCE}/details/?id={source_id('shop')}"

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'data-copy="{key}"' in answer.get_data(as_text=True)
    assert f'data-address="{page}"' in answer.get_data(as_text=True)
    assert access.authenticate(key).source_name == "shop"
    shown = admin.text(page)
    assert key.split("_")[2] in shown
    assert key.split("_")[3] not in shown


def test_no_page_and_no_file_has_a_secret_or_its_hash(
    admin: Person, source: factories.SourceWithKey
) -> None:
    stored = desk.only(ApiKey.__table__)
    pages = [
        f"{SOURCE}/",
        f"{SOURCE}/details/?id={source.id}",
        f"{SOURCE}/export/csv/",
        "/admin/api_key/",
        f"/admin/api_key/details/?id={stored.id}",
        f"/admin/api_key/edit/?id={stored.id}",
        "/admin/api_key/export/csv/",
    ]

    texts = [admin.text(page) for page in pages]

    assert all(stored.secret_sha256 not in text for text in texts)
    assert all(source.key.split("_")[3] not in text for text in texts)
    assert stored.prefix in texts[3]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 101}, "longer than 100"),
        ({"name": "a\x00b"}, "U+0000"),
        ({"name": "erp"}, "There is a source erp already"),
        ({"name": "ok", "environment": "moon"}, "Not a valid choice"),
        ({"name": "ok", "provider_id": "abc"}, "Invalid Choice"),
        ({"name": "ok", "provider_id": "01980000-0000-7000-8000-000000000001"}, "Not a valid"),
    ],
)
def test_a_bad_value_is_told_at_its_field(
    admin: Person, source: factories.SourceWithKey, fields: dict[str, str], words: str
) -> None:
    given = {"environment": "test", "provider_id": "", **fields}

    html = admin.post(f"{SOURCE}/new/", **given).get_data(as_text=True)

    assert words in complaints(html)
    with reading() as connection:
        assert [row["name"] for row in setup.sources(connection)] == ["erp"]


def test_an_edit_changes_what_it_names_and_nothing_else(
    admin: Person, source: factories.SourceWithKey
) -> None:
    answer = admin.post(
        f"{SOURCE}/edit/?id={source.id}",
        name="erp two",
        provider_id="",
        version="1",
        environment="live",
        is_disabled="y",
    )

    assert "Saved." in admin.message(answer)
    with reading() as connection:
        found = setup.source(connection, "erp two")
    assert (found.environment, found.is_disabled, found.provider_id) == ("test", False, None)
    assert found.updated_by == "admin@example.com"


def test_a_name_that_is_taken_is_no_conflict_of_editors(
    admin: Person, source: factories.SourceWithKey
) -> None:
    factories.add_source("web")

    html = admin.post(
        f"{SOURCE}/edit/?id={source.id}", name="web", provider_id="", version="1"
    ).get_data(as_text=True)

    assert "There is a source web already" in html
    assert "Somebody else" not in html


def test_the_second_of_two_editors_sees_both_versions_and_who_made_the_other(
    admin: Person, source: factories.SourceWithKey
) -> None:
    with unit_of_work() as connection:
        other = NewProvider(code="other-sandbox", channel="sandbox")
        other_id = setup.add_provider(connection, other, settings=settings())
        values = {"name": "renamed by ann", "provider_id": other_id}
        edits.edit_source(connection, source.id, values, By("ann@example.com"))
    address = f"{SOURCE}/edit/?id={source.id}"

    html = admin.post(address, name="mine", provider_id="", version="1").get_data(as_text=True)

    assert "changed by ann@example.com at 20" in html
    assert re.search(r"<td>renamed by ann</td>\s*<td>mine</td>", html)
    assert re.search(r"<td>other-sandbox</td>\s*<td>none</td>", html)
    assert source_id("renamed by ann") == source.id
    again = admin.post(address, name="mine", provider_id="", version="2")
    assert "Saved." in admin.message(again)
    assert source_id("mine") == source.id


def test_disabling_asks_first_and_enabling_takes_it_back(
    admin: Person, source: factories.SourceWithKey
) -> None:
    act = {"action": "disable", "rowid": str(source.id)}
    asked = admin.post(f"{SOURCE}/action/", **act).get_data(as_text=True)
    with reading() as connection:
        assert not setup.source(connection, "erp").is_disabled

    done = admin.message(admin.post(f"{SOURCE}/action/", **act, confirmed="yes"))

    assert "All its keys are refused" in asked
    assert "Done for 1 row." in done
    with reading() as connection:
        assert setup.source(connection, "erp").is_disabled
    admin.post(f"{SOURCE}/action/", action="enable", rowid=str(source.id), confirmed="yes")
    with reading() as connection:
        assert not setup.source(connection, "erp").is_disabled


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_below_an_admin_one_may_only_look(
    person: LogIn, source: factories.SourceWithKey, role: str
) -> None:
    somebody = person(role)
    act = {"action": "disable", "rowid": str(source.id), "confirmed": "yes"}

    html = somebody.text(f"{SOURCE}/details/?id={source.id}")

    assert 'value="disable"' not in html
    assert "/edit/" not in html
    assert "Add a key" not in html
    assert somebody.get(f"{SOURCE}/new/").status_code == 403
    assert somebody.get(f"{SOURCE}/edit/?id={source.id}").status_code == 403
    assert somebody.post(f"{SOURCE}/edit/?id={source.id}", name="x").status_code == 403
    assert somebody.post(f"{SOURCE}/action/", **act).status_code == 403
    assert somebody.post(f"{SOURCE}/delete/", id=str(source.id)).status_code == 404


def test_the_page_of_a_source_counts_what_it_handed_over(
    viewer: Person, source: factories.SourceWithKey
) -> None:
    for _ in range(3):
        factories.add_invoice(source)

    html = viewer.text(f"{SOURCE}/details/?id={source.id}")

    assert re.search(rf'/admin/invoice/\?source_id={source.id}">3</a>', html)
