"""The pages of subscriptions and pushes: secrets shown once, replays, who may."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, select

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.ids import new_id
from core.pump import Message
from core.web import settings
from status import pushes, subscriptions
from status.models import Push, Subscription
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.support import desk, factories
from tests.support.receiver import Receiver

pytestmark = pytest.mark.pages

PAGE = "/admin/subscription"
PUSH = "/admin/push"
SUBSCRIPTIONS = Subscription.__table__
PUSHES = Push.__table__
URL = "http://127.0.0.1:9/hook"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture
def hook(source: factories.SourceWithKey) -> UUID:
    """A subscription of the source."""
    return factories.add_subscription(source, URL)[0]


def stored(subscription_id: UUID) -> Row[Any]:
    with reading() as connection:
        mine = SUBSCRIPTIONS.c.id == subscription_id
        return connection.execute(select(SUBSCRIPTIONS).where(mine)).one()


def act(who: Person, name: str, key: UUID, page: str = PAGE, **fields: str) -> str:
    """Do an act and return the page that comes of it."""
    sent = {"action": name, "rowid": str(key), "confirmed": "yes", **fields}
    answer = who.post(f"{page}/action/", **sent)
    return who.message(answer) if answer.status_code == 302 else answer.get_data(as_text=True)


def post_what_is_due() -> None:
    """Do what pump and worker do."""
    token, lease = new_id(), timedelta(minutes=5)
    with unit_of_work() as connection:
        groups = pushes.claim(connection, 100, token, utcnow() + lease)
    for group in groups:
        pushes.post_batch(Message(token, group.ids, lease), settings())


def test_a_new_subscription_shows_its_secret_this_once(
    admin: Person, source: factories.SourceWithKey
) -> None:
    fields = {
        "source_id": str(source.id),
        "url": URL,
        "event_types": ["invoice.sent", "invoice.failed"],
        "state": "paused",
    }

    html = admin.post(f"{PAGE}/new/", **fields).get_data(as_text=True)

    row = desk.only(SUBSCRIPTIONS)
    secret = subscriptions.secret_text(row.id, 1, settings=settings())
    assert set(SECRET.findall(html)) == {secret}
    assert (row.url, row.state) == (URL, "active")
    assert row.event_types == ["invoice.sent", "invoice.failed"]
    for page in ("", f"details/?id={row.id}", f"edit/?id={row.id}", "export/csv/"):
        assert secret not in admin.text(f"{PAGE}/{page}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source_id": ""}, "required"),
        ({"url": ""}, "required"),
        ({"url": "ftp://x.example/"}, "must begin with https://"),
        ({"url": "https://x.example/" + "a" * 2000}, "longer than 2000"),
        ({"url": "https://x.example/\x01"}, "U+0001"),
        ({"event_types": ["invoice.lost"]}, "not a valid choice"),
    ],
)
def test_a_bad_value_is_told_at_its_field(
    admin: Person, source: factories.SourceWithKey, fields: dict[str, Any], words: str
) -> None:
    given = {"source_id": str(source.id), "url": URL, **fields}

    html = admin.post(f"{PAGE}/new/", **given).get_data(as_text=True)

    assert words in complaints(html)
    assert desk.rows(SUBSCRIPTIONS) == []


def test_an_edit_changes_address_and_events_alone(admin: Person, hook: UUID) -> None:
    fields = {"url": "http://127.0.0.1:9/other", "version": "1", "state": "paused"}

    html = admin.message(admin.post(f"{PAGE}/edit/?id={hook}", **fields))

    assert "Saved." in html
    row = stored(hook)
    assert (row.url, row.event_types, row.state) == (fields["url"], [], "active")
    assert row.updated_by == "admin@example.com"


def test_the_second_of_two_editors_sees_both_versions(admin: Person, hook: UUID) -> None:
    with unit_of_work() as connection:
        found = subscriptions.locked(connection, None, hook)
        theirs = "http://127.0.0.1:9/theirs"
        subscriptions.change(connection, found, By("erp"), settings=settings(), url=theirs)

    html = admin.post(f"{PAGE}/edit/?id={hook}", url=f"{URL}/mine", version="1").get_data(
        as_text=True
    )

    assert "changed by erp at 20" in html
    assert re.search(rf"<td>{theirs}</td>\s*<td>{URL}/mine</td>", html)
    assert stored(hook).url == theirs


def test_an_operator_pauses_and_enables(operator: Person, hook: UUID) -> None:
    act(operator, "pause", hook, reason="their maintenance")
    assert (stored(hook).state, stored(hook).state_reason) == ("paused", "their maintenance")

    act(operator, "enable", hook)

    assert (stored(hook).state, stored(hook).state_reason) == ("active", None)
    assert stored(hook).updated_by == "operator@example.com"


def test_a_test_is_pushed_and_its_page_shows_what_became_of_it(
    operator: Person, source: factories.SourceWithKey
) -> None:
    with Receiver(answers=(503,)) as receiver:
        hook, _ = factories.add_subscription(source, receiver.url)
        assert "Done for 1 row." in act(operator, "test", hook)
        post_what_is_due()

    push = desk.only(PUSHES)
    assert f"{PUSH}/details/?id={push.id}" in operator.text(f"{PAGE}/details/?id={hook}")
    html = operator.text(f"{PUSH}/details/?id={push.id}")
    assert "answered 503" in html
    assert "&#34;type&#34;:&#34;webhook.test&#34;" in html
    assert re.search(r"<dt>Looked at again</dt><dd><time", html)
    assert 'value="again"' not in html


def test_a_push_that_arrived_can_be_sent_again(
    operator: Person, source: factories.SourceWithKey
) -> None:
    invoice_id = factories.add_invoice(source, number="<b>7</b>")
    with Receiver() as receiver:
        factories.add_subscription(source, receiver.url)
        factories.add_event(source, invoice_id, 2)
        post_what_is_due()
        first = desk.only(PUSHES)
        page = operator.text(f"{PUSH}/details/?id={first.id}")

        assert "Done for 1 row." in act(operator, "again", first.id, PUSH)
        post_what_is_due()
        came = receiver.wait_for(2)

    assert f"/admin/invoice/details/?id={invoice_id}" in page
    assert "<b>7" not in page
    assert came[0].headers["webhook-id"] == came[1].headers["webhook-id"]
    assert came[0].body == came[1].body
    assert sorted(row.replay for row in desk.rows(PUSHES)) == [0, 1]


def test_a_push_that_waits_is_not_doubled(
    operator: Person, source: factories.SourceWithKey, hook: UUID
) -> None:
    act(operator, "test", hook)
    push = desk.only(PUSHES)

    assert "waits to be pushed as it is" in act(operator, "again", push.id, PUSH)
    assert len(desk.rows(PUSHES)) == 1


def test_a_replay_tells_how_many_it_pushes_again(
    operator: Person, source: factories.SourceWithKey
) -> None:
    invoice_id = factories.add_invoice(source)
    with Receiver() as receiver:
        hook, _ = factories.add_subscription(source, receiver.url)
        for sequence in (2, 3):
            factories.add_event(source, invoice_id, sequence)
        post_what_is_due()
        since = f"{utcnow() - timedelta(hours=1):%Y-%m-%dT%H:%M}"

        html = act(operator, "replay", hook, since=since)

    assert re.search(r"<dt>Pushed again</dt><dd>2</dd>", html)
    assert len(desk.rows(PUSHES)) == 4
    assert "is no time" in complaints(act(operator, "replay", hook, since="yesterday"))
    for nothing in ("", " "):
        assert "required" in complaints(act(operator, "replay", hook, since=nothing))


def test_a_new_secret_is_shown_this_once_and_asks_for_the_password(
    person: LogIn, admin: Person, hook: UUID
) -> None:
    stale = person("admin", is_fresh=False, name="stale")
    fields = {"action": "rotate", "rowid": str(hook), "confirmed": "yes"}
    refused = stale.post(f"{PAGE}/action/", **fields)
    assert "/verify" in refused.headers["Location"]
    assert stored(hook).secret_numbers == [1]

    html = act(admin, "rotate", hook)

    assert stored(hook).secret_numbers == [2, 1]
    secret = subscriptions.secret_text(hook, 2, settings=settings())
    assert set(SECRET.findall(html)) == {secret}
    assert secret not in admin.text(f"{PAGE}/details/?id={hook}")


def test_what_is_deleted_leaves_the_list_and_stays_as_it_is(admin: Person, hook: UUID) -> None:
    asked = admin.post(f"{PAGE}/delete/", id=str(hook)).get_data(as_text=True)
    assert f"Remove {URL}?" in asked

    told = admin.message(admin.post(f"{PAGE}/delete/", id=str(hook), confirmed="yes"))

    assert f"Removed: {URL}" in told
    assert stored(hook).state == "deleted"
    assert URL not in admin.text(f"{PAGE}/")
    assert URL not in admin.text(f"{PAGE}/export/csv/")
    assert URL in admin.text(f"{PAGE}/?state=deleted")
    html = admin.text(f"{PAGE}/details/?id={hook}")
    assert 'name="action"' not in html
    assert "/edit/" not in html
    assert admin.get(f"{PAGE}/edit/?id={hook}").status_code == 409


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_below_an_admin_nobody_edits(person: LogIn, hook: UUID, role: str) -> None:
    somebody = person(role)
    rotate = {"action": "rotate", "rowid": str(hook), "confirmed": "yes"}

    assert somebody.get(f"{PAGE}/new/").status_code == 403
    assert somebody.post(f"{PAGE}/edit/?id={hook}", url=URL).status_code == 403
    assert somebody.post(f"{PAGE}/delete/", id=str(hook)).status_code == 403
    assert somebody.post(f"{PAGE}/action/", **rotate).status_code == 403
    assert stored(hook).version == 1


@pytest.mark.parametrize("name", ["pause", "enable", "test", "replay"])
def test_a_viewer_does_none_of_the_acts(viewer: Person, hook: UUID, name: str) -> None:
    fields = {"action": name, "rowid": str(hook), "confirmed": "yes", "since": "2026-01-01T00:00"}

    assert viewer.post(f"{PAGE}/action/", **fields).status_code == 403
    assert f'value="{name}"' not in viewer.text(f"{PAGE}/details/?id={hook}")
    assert desk.rows(PUSHES) == []


def test_pushes_are_neither_edited_nor_removed_nor_sent_by_a_viewer(
    admin: Person, viewer: Person, hook: UUID
) -> None:
    act(admin, "test", hook)
    push = desk.only(PUSHES)

    for path in ("new/", f"edit/?id={push.id}"):
        assert admin.get(f"{PUSH}/{path}").status_code == 404
    assert admin.post(f"{PUSH}/delete/", id=str(push.id)).status_code == 404
    again = {"action": "again", "rowid": str(push.id), "confirmed": "yes"}
    assert viewer.post(f"{PUSH}/action/", **again).status_code == 403
    assert "webhook.test" in viewer.text(f"{PUSH}/?subscription_id={hook}&state=pending")
