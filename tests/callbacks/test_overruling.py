"""Staff overrule what a mail was taken for: this one at once, its like from then on."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Row

from callbacks import overruling, rules, services
from callbacks.mail.understanding import understand
from callbacks.models import Callback, MailRule, Ruling
from core import mail_token
from core.audit.models import AuditEntry
from core.db import reading, trial, unit_of_work
from core.editing import By
from core.errors import ConflictError, InputError, NotFoundError
from invoices import suppression_queries
from invoices.services import actions
from invoices.services.actions import Order
from invoices.services.verdicts import Verdict, apply_verdicts
from invoices.suppression_models import Suppression
from status.models import Cause, Status
from tests.callbacks.conftest import Sent
from tests.callbacks.mail.test_understanding import block, report
from tests.callbacks.test_mails import (
    FAILED,
    RECIPIENT,
    last_note,
    message_id_of,
    sender_of,
    take_in,
    to,
)
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice
from tests.support.mailbox import mail

pytestmark = pytest.mark.pages

CALLBACKS = Callback.__table__
RULES = MailRule.__table__
SUPPRESSIONS = Suppression.__table__
ANN = By("ann@example.com")
FULL = block(RECIPIENT, "failed", "5.2.2", "552 5.2.2 <deliver@sandbox.example> mailbox full (17)")


def overrule(row: Row[Any], ruling: Ruling, reason: str = "I asked them") -> overruling.Overruled:
    with unit_of_work() as connection:
        return overruling.overrule(connection, row.id, ruling, reason=reason, by=ANN)


def bounced(sent: Sent, fields: str = FAILED, number: int = 1) -> Row[Any]:
    """Take in a bounce of a delivery; `number` tells it from others."""
    raw = to(sender_of(sent.delivery_id), report(fields, notice=f"It failed, {number}."))
    [row] = take_in(raw)
    return row


def another(source: SourceWithKey) -> Sent:
    """Another invoice that was handed over."""
    invoice_id = add_invoice(source)
    desk.send(FakeChannel(answer(202, b'{"id": "ref-2"}')))
    mine = next(row for row in desk.rows(desk.DELIVERIES) if row.invoice_id == invoice_id)
    return Sent(invoice_id, mine.id, "ref-2")


def active() -> list[str]:
    with reading() as connection:
        return [row.address for row in suppression_queries.active(connection, None, None, 100)]


# This mail


def test_no_bounce_makes_the_invoice_sent_and_releases_the_address(sent: Sent) -> None:
    row = bounced(sent)
    assert active() == [RECIPIENT]
    before = desk.history_of(sent.id)

    done = overrule(row, Ruling.NONE)

    assert (done.state, done.alike_count, done.changed_count) == ("sent", 1, 1)
    assert desk.path_of(sent.id)[-2:] == ["undeliverable", "sent"]
    last = desk.history_of(sent.id)[-1]
    assert (last.cause, last.actor) == ("staff", "ann@example.com")
    assert last.note == "overruled, no bounce and not a hard bounce: I asked them"
    assert desk.history_of(sent.id)[:-1] == before
    assert active() == []
    assert desk.only(SUPPRESSIONS).released_by == "ann@example.com"


def test_what_was_delivered_before_is_delivered_again(sent: Sent) -> None:
    address = sender_of(sent.delivery_id)
    take_in(to(address, report(block(RECIPIENT, "delivered", "2.0.0"))))
    row = bounced(sent)

    overrule(row, Ruling.NONE)

    assert desk.path_of(sent.id)[-3:] == ["delivered", "undeliverable", "delivered"]


def test_not_hard_leaves_the_invoice_and_counts_one_soft_bounce(sent: Sent) -> None:
    row = bounced(sent)

    overrule(row, Ruling.SOFT)

    assert desk.status_of(sent.id) == "undeliverable"
    assert last_note(sent.id) == "overruled, a soft bounce and not a hard bounce: I asked them"
    assert active() == []
    assert desk.only(SUPPRESSIONS).soft_count == 1


def test_a_soft_one_that_was_hard_suppresses_the_address(sent: Sent) -> None:
    row = bounced(sent, FULL)
    assert active() == []

    overrule(row, Ruling.HARD)

    assert active() == [RECIPIENT]
    assert "by the rule of ann@example.com" in str(desk.only(SUPPRESSIONS).reason)


def test_a_reply_that_was_a_bounce_makes_it_undeliverable(sent: Sent) -> None:
    raw = mail("Mums nav", "Tada nav.", [("In-Reply-To", message_id_of(sent.delivery_id))])
    [row] = take_in(raw)

    overrule(row, Ruling.HARD)

    assert desk.status_of(sent.id) == "undeliverable"
    assert active() == [RECIPIENT]


def test_it_can_be_overruled_again(sent: Sent) -> None:
    row = bounced(sent)

    overrule(row, Ruling.NONE)
    overrule(row, Ruling.SOFT)
    overrule(row, Ruling.NONE, "after all")

    assert desk.path_of(sent.id)[-4:] == ["undeliverable", "sent", "undeliverable", "sent"]
    rule = desk.only(RULES)
    assert (rule.ruling, rule.reason, rule.version) == ("none", "after all", 3)
    assert desk.only(SUPPRESSIONS).soft_count == 0


def test_of_two_bounces_both_must_have_been_none(sent: Sent) -> None:
    first = bounced(sent)
    second = bounced(sent, FULL, 2)

    overrule(first, Ruling.NONE)
    assert desk.status_of(sent.id) == "undeliverable"
    assert active() == [RECIPIENT]
    overrule(second, Ruling.NONE)

    assert desk.status_of(sent.id) == "sent"
    assert active() == []


def test_what_a_provider_said_is_not_undone(sent: Sent) -> None:
    with unit_of_work() as connection:
        said = Verdict(
            key=sent.delivery_id,
            delivery_id=sent.delivery_id,
            status=Status.UNDELIVERABLE,
            occurred_at=None,
            note="bounced",
        )
        apply_verdicts(connection, [said])
    row = bounced(sent)

    overrule(row, Ruling.NONE)

    assert desk.status_of(sent.id) == "undeliverable"


def test_a_mail_about_an_earlier_delivery_changes_that_alone(sent: Sent) -> None:
    row = bounced(sent)
    with unit_of_work() as connection:
        order = Order(actor="bob", cause=Cause.STAFF, reason="try again")
        actions.resend(connection, sent.id, order, to="other@sandbox.example")

    done = overrule(row, Ruling.NONE)

    assert done.state == "sent"
    assert desk.status_of(sent.id) == "ready"
    assert last_note(sent.id).startswith("sent for an earlier delivery: overruled, no bounce")


def test_what_is_taken_for_that_already_is_said(sent: Sent) -> None:
    row = bounced(sent)

    with pytest.raises(ConflictError, match="a hard bounce already"):
        overrule(row, Ruling.HARD)
    with pytest.raises(InputError):
        overrule(row, Ruling.NONE, "  ")
    with unit_of_work() as connection, pytest.raises(NotFoundError):
        overruling.overrule(connection, uuid4(), Ruling.NONE, reason="x", by=ANN)

    assert desk.rows(RULES) == []


def test_a_mail_that_proves_nothing_cannot_be_overruled(sent: Sent) -> None:
    [forged] = take_in(report(FAILED))

    with pytest.raises(ConflictError, match="does not prove"):
        overrule(forged, Ruling.SOFT)


# Its like


def test_mails_alike_are_taken_for_the_same(sent: Sent, billing: SourceWithKey) -> None:
    other = another(billing)
    overrule(bounced(sent, FULL), Ruling.HARD)

    numbered = FULL.replace("(17)", "(4711)").replace("<deliver@", "<x.y@")
    row = bounced(other, numbered, 2)

    assert row.is_hard is True
    rule = desk.only(RULES)
    assert last_note(other.id).startswith(
        "bounced (hard, 5.2.2): the mailbox is full: "
        f"by the rule of ann@example.com of {rule.created_at:%Y-%m-%d}: smtp; 552"
    )
    assert rule.hits == 1


def test_mails_alike_that_are_no_bounce_leave_their_invoices(
    sent: Sent, billing: SourceWithKey
) -> None:
    other = another(billing)
    overrule(bounced(sent), Ruling.NONE)

    row = bounced(other, FAILED, 2)

    assert desk.status_of(other.id) == "sent"
    assert last_note(other.id).startswith("no bounce, by the rule of ann@example.com of ")
    assert (row.state, row.provider_status, row.is_hard) == ("ignored", "ordinary", None)
    assert active() == []


@pytest.mark.parametrize(
    "fields",
    [
        FULL.replace("5.2.2", "5.2.1"),
        FULL.replace("mailbox full", "mailbox is over quota"),
        "Remote-MTA: dns; mx.elsewhere.example\r\n" + FULL,
    ],
    ids=["status", "words", "host"],
)
def test_what_differs_is_not_alike(sent: Sent, billing: SourceWithKey, fields: str) -> None:
    other = another(billing)
    overrule(bounced(sent, FULL), Ruling.HARD)

    assert bounced(other, fields, 2).is_hard is False


def test_a_rule_never_lets_a_forged_mail_in(sent: Sent, billing: SourceWithKey) -> None:
    other = another(billing)
    overrule(bounced(sent, FULL), Ruling.HARD)
    before = desk.history_of(other.id)

    [forged] = take_in(report(FULL, notice="forged"))

    assert (forged.state, forged.delivery_id) == ("unmatched", None)
    assert desk.history_of(other.id) == before
    assert desk.only(RULES).hits == 0


def test_a_disabled_rule_counts_no_more(sent: Sent, billing: SourceWithKey) -> None:
    other = another(billing)
    overrule(bounced(sent, FULL), Ruling.HARD)
    rule = desk.only(RULES)
    with unit_of_work() as connection:
        rules.disable(connection, rule.id, By("bob", "it was too wide"), is_disabled=True)

    assert bounced(other, FULL, 2).is_hard is False


def test_a_rule_is_told_with_the_mails_that_it_would_have_changed(
    sent: Sent, billing: SourceWithKey
) -> None:
    first, other = bounced(sent, FULL), another(billing)
    bounced(other, FULL, 2)

    with trial() as connection:
        done = overruling.overrule(connection, first.id, Ruling.HARD, reason="?", by=ANN)
    assert (done.alike_count, done.changed_count) == (2, 2)
    assert desk.rows(RULES) == []
    assert desk.status_of(sent.id) == "undeliverable"


def test_a_replay_goes_by_the_rule(sent: Sent, billing: SourceWithKey) -> None:
    other = another(billing)
    earlier = bounced(other, FULL, 2)
    overrule(bounced(sent, FULL), Ruling.NONE)

    with trial() as connection:
        foreseen = services.replay(connection, earlier.id)
    with unit_of_work() as connection:
        end = services.replay(connection, earlier.id)

    assert (foreseen.state, foreseen.note) == (end.state, end.note)
    assert end.note.startswith("no bounce, by the rule of ann@example.com")
    assert desk.status_of(other.id) == "undeliverable"


def test_a_mail_is_worked_through_again_at_the_command_line(sent: Sent, console: Console) -> None:
    [early] = take_in(report(FAILED))
    desk.change(CALLBACKS, body=to(sender_of(sent.delivery_id), report(FAILED)))

    foreseen = console("callback", "replay", early.id, "--dry-run", "--json").json()
    assert desk.status_of(sent.id) == "sent"
    assert desk.only(CALLBACKS).state == "unmatched"
    done = console("callback", "replay", early.id, "--json").json()

    assert (foreseen["state"], foreseen["is_stored"]) == ("applied", False)
    assert (done["state"], done["is_stored"]) == ("applied", True)
    assert done["note"] == foreseen["note"]
    assert desk.status_of(sent.id) == "undeliverable"
    assert active() == [RECIPIENT]
    again = console("callback", "replay", early.id, "--json").json()
    assert again["state"] == "ignored"
    assert desk.path_of(sent.id).count("undeliverable") == 2
    assert last_note(sent.id).startswith("ignored (repeated): bounced (hard, 5.1.1)")


def test_the_audit_says_who_made_the_rule_and_why(sent: Sent) -> None:
    overrule(bounced(sent), Ruling.SOFT)

    [entry] = [row for row in desk.rows(AuditEntry.__table__) if row.kind == "mail_rules"]
    assert (entry.operation, entry.reason) == ("insert", "I asked them")
    assert entry.after["ruling"] == "soft"


# The command line


def test_a_mail_is_overruled_at_the_command_line(
    sent: Sent, console: Console, tmp_path: Path
) -> None:
    row = bounced(sent, FULL)
    options = ("mail", "overrule", row.id, "--as", "hard", "--reason", "they are gone", "--json")

    foreseen = console(*options, "--dry-run").json()
    assert desk.rows(RULES) == []
    done = console(*options).json()

    assert (foreseen["is_stored"], done["is_stored"]) == (False, True)
    assert done["changed_count"] == 1
    [listed] = console("mail", "rules", "--json").json()
    assert (listed["ruling"], listed["dsn_status"], listed["said_by"]) == (
        "hard",
        "5.2.2",
        "example.org, of sandbox.example",
    )
    file = tmp_path / "like.eml"
    file.write_bytes(report(FULL, notice="another"))
    told = console("mail", "explain", file).out
    assert f"{RECIPIENT} failed: the mailbox is full (hard, 5.2.2)" in told
    assert "  because of the rule of command line, " in told
    assert ": a hard bounce (they are gone)" in told
    console("mail", "rule", listed["id"], "--disable", "--reason", "too wide")
    assert "(soft, 5.2.2)" in console("mail", "explain", file).out


def test_nothing_overruled_is_said(console: Console, sent: Sent) -> None:
    assert console("mail", "rules").err == "nobody has overruled a mail yet\n"


# What it is about


def test_rules_change_no_mail_of_our_own_and_none_that_cannot_be_read(sent: Sent) -> None:
    own = understand(mail("Invoice", "Hello there.", [(mail_token.HEADER, "x")]))
    unreadable = understand(b"X: " + b"a" * 600_000)

    with reading() as connection:
        assert rules.find(connection, [own, unreadable]) == {}
    assert rules.apply(own, {}).mail is own


def test_mails_of_long_ago_are_not_counted(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    row = bounced(sent, FULL)

    with reading() as connection:
        assert [one.id for one in rules.alike(connection, row.likeness)] == [row.id]
        monkeypatch.setattr(rules, "LOOKED_BACK", timedelta(seconds=-5))
        assert rules.alike(connection, row.likeness) == []
