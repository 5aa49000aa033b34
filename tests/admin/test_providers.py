"""The pages of providers: edits, acts and what a test brings back; never a secret."""

import html as markup
import json
import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row

from core.db import reading, unit_of_work
from core.editing import By
from core.smtp import pool
from core.web import settings
from invoices import edits, setup
from invoices.channels import registry
from invoices.models import Attempt
from invoices.setup import NewProvider
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.support import desk, factories
from tests.support.mail_server import mail_server
from tests.support.provider import Faults, Provider

pytestmark = pytest.mark.pages

PAGE = "/admin/provider"
ANN = By("ann@example.com")
SECRET = "whsec_bm90IGEgc2VjcmV0IGF0IGFsbA=="


def add(
    channel: str = "sandbox",
    url: str | None = None,
    auth_ref: str | None = "env:POST_KEY",
    secret_refs: tuple[str, ...] = (),
    **options: str,
) -> UUID:
    new = NewProvider(
        code="post",
        channel=channel,
        url=url,
        auth_ref=auth_ref,
        callback_secret_refs=secret_refs,
        settings=options,
    )
    with unit_of_work() as connection:
        return setup.add_provider(connection, new, settings=settings())


def stored(code: str = "post") -> Row[Any]:
    with reading() as connection:
        return setup.provider(connection, code)


def given(**more: str) -> dict[str, str]:
    """What the form sends that was not touched."""
    usual = {
        "url": "http://127.0.0.1:8090/invoices",
        "auth_ref": "env:POST_KEY",
        "callback_profile": "standard-webhooks",
        "callback_secret_refs": "",
        "settings": "{}",
        "concurrency": "16",
    }
    return {**usual, **more}


def raise_alarm() -> None:
    desk.change(setup.PROVIDERS, alarm="answered 401: the key has expired", failures=7)


def test_a_new_provider_is_what_was_entered(admin: Person) -> None:
    fields = given(
        code="acme",
        channel="http",
        url="https://api.acme.example/v2",
        callback_secret_refs="env:OLD_SECRET\r\n\r\n file:/etc/acme/secret \r\n",
        settings='{"timeout_seconds": 12.5, "auth_header": "X-Api-Key"}',
        concurrency="4",
        is_idempotent="y",
        state="paused",
        alarm="x",
    )

    html = admin.message(admin.post(f"{PAGE}/new/", **fields))

    assert "Added." in html
    found = stored("acme")
    assert found.callback_secret_refs == ["env:OLD_SECRET", "file:/etc/acme/secret"]
    assert found.settings == {"timeout_seconds": "12.5", "auth_header": "X-Api-Key"}
    assert (found.is_idempotent, found.concurrency) == (True, 4)
    assert (found.state, found.alarm) == ("active", None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": "No Blanks"}, "1 to 60 of a-z"),
        ({"code": "post"}, "There is a provider post already"),
        ({"channel": "pigeon"}, "Not a valid choice"),
        ({"channel": "http", "url": ""}, "needed with channel http"),
        ({"url": "ftp://example.com/"}, "must begin with https://"),
        ({"url": "https://user:pw@example.com/"}, "must not hold a user or password"),
        ({"url": "x" * 2001}, "longer than 2000"),
        ({"auth_ref": "env:KUVERT_SECRET_KEY"}, "Kuvert's own settings"),
        ({"callback_secret_refs": "env:A\nenv:B\nenv:C"}, "at most 2"),
        ({"callback_secret_refs": "file:/proc/self/environ"}, "must not lead into /proc"),
        ({"settings": "{"}, "not JSON"),
        ({"settings": "[]"}, "a JSON object"),
        ({"settings": '{"timeout_seconds": true}'}, "a text in quotes"),
        ({"settings": '{"timeout_seconds": "1e400"}'}, "more than 0 and at most 30"),
        ({"settings": '{"colour": "red"}'}, "there is no setting colour"),
        ({"concurrency": "0"}, "1 to 512"),
        ({"concurrency": ""}, "required"),
        ({"concurrency": "9" * 30}, "a whole number"),
    ],
)
def test_a_bad_value_is_told_at_its_field(
    admin: Person, fields: dict[str, str], words: str
) -> None:
    add()
    start = given(code="new", channel="sandbox")

    html = admin.post(f"{PAGE}/new/", **{**start, **fields}).get_data(as_text=True)

    assert words in complaints(html)
    assert [row.code for row in desk.rows(setup.PROVIDERS)] == ["post"]


def test_a_secret_in_place_of_a_reference_is_refused_and_not_shown_again(admin: Person) -> None:
    add()
    wrong = given(auth_ref=SECRET, callback_secret_refs=f"env:FINE\n{SECRET}", version="1")

    html = admin.post(f"{PAGE}/edit/?id={stored().id}", **wrong).get_data(as_text=True)

    assert complaints(html).count("and not the secret itself") == 2
    assert SECRET not in html
    assert "env:FINE" in html
    assert stored().auth_ref == "env:POST_KEY"


def test_an_edit_keeps_code_channel_and_state(admin: Person) -> None:
    key = add()
    more = {"code": "other", "channel": "http", "state": "paused", "version": "1"}

    html = admin.message(admin.post(f"{PAGE}/edit/?id={key}", **given(concurrency="3"), **more))

    assert "Saved." in html
    found = stored()
    assert (found.channel, found.state, found.concurrency) == ("sandbox", "active", 3)
    assert found.updated_by == "admin@example.com"


def test_the_second_of_two_editors_sees_both_versions(admin: Person) -> None:
    key = add()
    with unit_of_work() as connection:
        values = {"concurrency": 5, "settings": {"timeout_seconds": "9"}}
        edits.edit_provider(connection, key, values, ANN, settings=settings())

    html = admin.post(f"{PAGE}/edit/?id={key}", **given(version="1")).get_data(as_text=True)

    assert "changed by ann@example.com at 20" in html
    assert re.search(r"<td>5</td>\s*<td>16</td>", html)
    assert "<dt>timeout_seconds</dt><dd>9</dd>" in html
    assert stored().concurrency == 5


def act(who: Person, name: str, key: UUID, **fields: str) -> str:
    """Do an act and return the page after it."""
    path = f"{PAGE}/action/"
    return who.message(who.post(path, action=name, rowid=str(key), confirmed="yes", **fields))


def test_an_operator_pauses_drains_and_resumes(operator: Person) -> None:
    key = add()

    act(operator, "pause", key, reason="their maintenance")
    assert (stored().state, stored().state_reason) == ("paused", "their maintenance")
    assert "their maintenance" in operator.text(f"{PAGE}/details/?id={key}")
    act(operator, "drain", key, reason="moving away")
    assert stored().state == "draining"
    raise_alarm()
    act(operator, "resume", key)
    assert (stored().state, stored().alarm, stored().failures) == ("active", None, 0)
    assert stored().updated_by == "operator@example.com"


def test_pausing_asks_for_a_reason(operator: Person) -> None:
    key = add()
    fields = {"action": "pause", "rowid": str(key), "confirmed": "yes", "reason": " "}

    html = operator.post(f"{PAGE}/action/", **fields).get_data(as_text=True)

    assert "say why" in complaints(html)
    assert stored().state == "active"


def test_the_alarm_is_shown_and_can_be_silenced(operator: Person) -> None:
    key = add()
    raise_alarm()

    assert "Alarm: answered 401" in operator.text(f"{PAGE}/details/?id={key}")
    act(operator, "silence", key)

    assert (stored().alarm, stored().failures) == (None, 7)
    assert 'value="silence"' not in operator.text(f"{PAGE}/details/?id={key}")


@pytest.mark.parametrize(
    ("faults", "words"), [(Faults(), "accepted"), (Faults(busy=1.0), "unknown")]
)
def test_a_test_asks_first_and_shows_what_came_back(
    operator: Person, faults: Faults, words: str
) -> None:
    with Provider("post", faults=faults) as outside:
        key = add(channel="http", url=outside.url, auth_ref=None)
        fields = {"action": "test", "rowid": str(key)}
        asked = operator.post(f"{PAGE}/action/", **fields)
        assert not outside.requests

        answer = operator.post(f"{PAGE}/action/", **fields, confirmed="yes", to="me@x.example")

        html = answer.get_data(as_text=True)
        assert "whatever state it is in" in asked.get_data(as_text=True)
        assert "What post answered" in html
        assert f">{words}</span>" in html
        assert outside.requests[0].recipient == "me@x.example"
        assert outside.requests[0].number.startswith("KUVERT-TEST-")
    assert desk.rows(Attempt.__table__) == []


def test_a_mail_provider_is_added_and_tested(admin: Person) -> None:
    with mail_server() as outside:
        words = {"url": outside.url, "settings": '{"mail_from": "billing@seller.example"}'}
        admin.post(f"{PAGE}/new/", **given(code="post", channel="smtp", auth_ref="", **words))
        fields = {"action": "test", "rowid": str(stored("post").id), "confirmed": "yes"}

        admin.post(f"{PAGE}/action/", **fields, to="")
        nobody = admin.text(PAGE + "/")
        html = admin.post(f"{PAGE}/action/", **fields, to="me@x.example").get_data(as_text=True)
        pool.close_all()

    assert "a mail needs an address to go to" in nobody
    assert "queued as 4711" in html
    [taken] = outside.taken
    assert taken.recipients == ("me@x.example",)
    assert taken.message["Kuvert-Test"] == "1"


def test_a_test_without_its_credentials_says_so(operator: Person) -> None:
    key = add(channel="http", url="http://127.0.0.1:9/x", auth_ref="env:NOT_SET_ANYWHERE")
    fields = {"action": "test", "rowid": str(key), "confirmed": "yes"}

    html = operator.post(f"{PAGE}/action/", **fields).get_data(as_text=True)

    assert "env:NOT_SET_ANYWHERE is empty or not set" in html


def test_the_page_shows_the_last_attempts(viewer: Person, source: factories.SourceWithKey) -> None:
    factories.add_invoice(source)
    with Provider("sandbox") as outside:
        desk.change(setup.PROVIDERS, url=outside.url, channel="http")
        desk.send(registry.get("http"))

    html = viewer.text(f"{PAGE}/details/?id={stored('sandbox').id}")

    assert re.search(r"attempt 1</a>", html)
    assert "accepted" in html


def test_references_are_shown_and_no_secret_is(
    viewer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POST_KEY", SECRET)
    key = add(secret_refs=("env:POST_KEY",))

    pages = ["", f"details/?id={key}", "export/csv/"]
    texts = [viewer.text(f"{PAGE}/{page}") for page in pages]

    assert "env:POST_KEY" in texts[1]
    assert all(SECRET not in text for text in texts)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_below_an_admin_nobody_edits(person: LogIn, role: str) -> None:
    key = add()
    somebody = person(role)

    assert somebody.get(f"{PAGE}/new/").status_code == 403
    assert somebody.get(f"{PAGE}/edit/?id={key}").status_code == 403
    assert somebody.post(f"{PAGE}/edit/?id={key}", **given()).status_code == 403
    assert somebody.post(f"{PAGE}/delete/", id=str(key)).status_code == 404


@pytest.mark.parametrize("name", ["pause", "drain", "resume", "test", "silence"])
def test_a_viewer_does_none_of_the_acts(viewer: Person, name: str) -> None:
    key = add()
    fields = {"action": name, "rowid": str(key), "confirmed": "yes", "reason": "x"}

    assert viewer.post(f"{PAGE}/action/", **fields).status_code == 403
    assert f'value="{name}"' not in viewer.text(f"{PAGE}/details/?id={key}")
    assert stored().version == 1


def test_settings_come_back_into_the_form_as_they_are(admin: Person) -> None:
    key = add(auth_header="X-Key")

    html = markup.unescape(admin.text(f"{PAGE}/edit/?id={key}"))

    assert json.dumps({"auth_header": "X-Key"}, indent=2) in html.replace("\r\n", "\n")
