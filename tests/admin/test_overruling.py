"""Staff overrule a mail on its page; the rules that come of it have pages of their own."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row

from callbacks.models import MailRule
from tests.admin.conftest import LogIn, Person
from tests.admin.looking import complaints
from tests.callbacks.mail.test_understanding import report
from tests.callbacks.test_mails import FAILED, sender_of, take_in, to
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages

PAGE = "/admin/callback"
RULES = MailRule.__table__


@pytest.fixture
def invoice_id(app: Flask, source: SourceWithKey) -> UUID:
    """An invoice that was handed over."""
    found = add_invoice(source)
    desk.send(FakeChannel())
    return found


@pytest.fixture
def bounce(invoice_id: UUID) -> Row[Any]:
    """The mail that said that it bounced."""
    key = desk.only(desk.DELIVERIES).id
    take_in(to(sender_of(key), report(FAILED, notice="the first")))
    [row] = take_in(to(sender_of(key), report(FAILED, notice="<b>again</b>")))
    return row


def act(row: Row[Any], verb: str, **fields: str) -> dict[str, str]:
    return {"action": f"overrule_{verb}", "rowid": str(row.id), **fields}


def test_the_page_shows_what_a_mail_is_taken_for_and_its_like(
    viewer: Person, bounce: Row[Any]
) -> None:
    html = viewer.text(f"{PAGE}/details/?id={bounce.id}")

    assert "hard bounce" in html.split("Taken for")[1]
    like = html.split("Mails like this of the last 90 days")[1]
    assert like.count(f"{PAGE}/details/?id=") == 1
    assert str(bounce.id) not in like


def test_an_approver_overrules_it_and_sees_first_what_comes_of_it(
    approver: Person, invoice_id: UUID, bounce: Row[Any]
) -> None:
    page = approver.text(f"{PAGE}/details/?id={bounce.id}")
    assert "It was no bounce" in page
    assert "It was a soft bounce" in page
    assert "It was a hard bounce" not in page

    asked = approver.post(f"{PAGE}/action/", **act(bounce, "soft")).get_data(as_text=True)
    assert "of 2 stored mails like it of the last 90 days the rule takes 2" in asked
    assert desk.rows(RULES) == []
    unsaid = approver.post(f"{PAGE}/action/", **act(bounce, "soft", confirmed="yes"))
    assert "say why" in complaints(unsaid.get_data(as_text=True))
    given = act(bounce, "soft", confirmed="yes", reason="their mailbox was full")
    done = approver.message(approver.post(f"{PAGE}/action/", **given))

    assert "Done for 1 row." in done
    rule = desk.only(RULES)
    assert (rule.ruling, rule.updated_by) == ("soft", "approver@example.com")
    event = desk.history_of(invoice_id)[-1]
    assert (event.cause, event.actor) == ("staff", "approver@example.com")
    html = approver.text(f"{PAGE}/details/?id={bounce.id}")
    assert f"/admin/mail_rule/details/?id={rule.id}" in html
    assert "soft bounce" in html.split("Taken for")[1]


def test_a_rule_is_listed_disabled_and_enabled(approver: Person, bounce: Row[Any]) -> None:
    given = act(bounce, "soft", confirmed="yes", reason="their <i>mailbox</i> was full")
    approver.post(f"{PAGE}/action/", **given)
    rule = desk.only(RULES)
    place = "/admin/mail_rule"

    assert "user unknown" in approver.text(f"{place}/?ruling=soft")
    html = approver.text(f"{place}/details/?id={rule.id}")
    assert "their &lt;i&gt;mailbox" in html
    assert f"{PAGE}/details/?id={bounce.id}" in html
    for verb, is_disabled in (("disable", True), ("enable", False)):
        fields = {"action": verb, "rowid": str(rule.id), "confirmed": "yes", "reason": "so"}
        assert "Done for 1 row." in approver.message(approver.post(f"{place}/action/", **fields))
        assert desk.only(RULES).is_disabled is is_disabled


def test_a_mail_that_proves_nothing_cannot_be_overruled(approver: Person, bounce: Row[Any]) -> None:
    [forged] = take_in(report(FAILED, notice="forged"))

    assert "It was no bounce" not in approver.text(f"{PAGE}/details/?id={forged.id}")
    given = act(forged, "none", confirmed="yes", reason="x")
    answer = approver.message(approver.post(f"{PAGE}/action/", **given))

    assert "does not prove that it is about a delivery of ours" in answer


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_below_an_approver_one_may_only_look(
    person: LogIn, approver: Person, bounce: Row[Any], role: str
) -> None:
    approver.post(f"{PAGE}/action/", **act(bounce, "soft", confirmed="yes", reason="x"))
    rule = desk.only(RULES)
    somebody = person(role)

    assert "It was no bounce" not in somebody.text(f"{PAGE}/details/?id={bounce.id}")
    given = act(bounce, "none", confirmed="yes", reason="x")
    assert somebody.post(f"{PAGE}/action/", **given).status_code == 403
    switch = {"action": "disable", "rowid": str(rule.id), "confirmed": "yes", "reason": "x"}
    assert somebody.post("/admin/mail_rule/action/", **switch).status_code == 403
    assert somebody.get("/admin/mail_rule/new/").status_code == 404
    assert (desk.only(RULES).ruling, desk.only(RULES).is_disabled) == ("soft", False)
