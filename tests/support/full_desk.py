"""A desk with something of everything: `python -m tests.support.full_desk < STRINGS`.

Fills an installation through Kuvert's own services: staff, sources and keys, providers, invoices in
every state with their histories, attempts, callbacks, pushes, schedules with runs, totals. Reads
JSON with the texts to put wherever somebody outside chooses the words; they come first, so that
lists, which show the newest first, begin with what is ordinary.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from callbacks import inbox, overruling
from callbacks.mailbox import storing
from callbacks.mailbox.protocol import Mail
from callbacks.mappings import map_status
from callbacks.models import Ruling
from core import mail_token, pace
from core.cli_app import application
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import InputError, KuvertError
from core.http import Answer, Failure
from core.ids import new_id
from core.people import services as people
from core.people.roles import Role
from core.settings import current
from core.web import settings
from core.webhooks import Secret, signed_headers
from invoices import access, edits, setup
from invoices.channels import Envelope, Result, Route
from invoices.channels.http import read_end
from invoices.models import Invoice
from invoices.report_models import MailState, ReportMail
from invoices.schemas import read_json_invoice
from invoices.services import actions, attempts, holds, intake, suppressions, totals
from invoices.services.actions import Order
from invoices.setup import NewProvider
from invoices.values import NewInvoice
from status.models import Cause, Status
from tests.callbacks.calling import work as work_through_callbacks
from tests.support import desk, full_schedule, full_subscriptions
from tests.support.factories import invoice_json
from tests.support.provider import SECRET
from tests.support.staff import PASSWORD

ANN = By("ann@example.com")

BY_STAFF = Order(reason="the customer asked for it", actor="ann@example.com", cause=Cause.STAFF)
STAFF = {
    Role.ADMIN: "ann@example.com",
    Role.APPROVER: "bob@example.com",
    Role.OPERATOR: "carol@example.com",
    Role.VIEWER: "dave@example.com",
}
SELLERS = ("Blau & Söhne GmbH", "Kaffeerösterei Elbe", "Nordlys Trading ApS", "Zażółć S.A.")
BUYERS = (
    "Grün AG",
    "Ateliers Dupont",
    "Brandt & Partner",
    "O'Neill Catering",
    "Papelaria São João",
    "Łódź Instruments",
    "Yamada Trading 株式会社",
    "مكتبة النور",
)
WAYS = (
    ("deliver", "sandbox"),
    ("refuse", "sandbox"),
    ("error", "sandbox"),
    ("timeout", "loose-sandbox"),
    ("bounce", "sandbox"),
    ("deliver", "sandbox"),
    ("broken", "sandbox"),
    ("silent", "sandbox"),
    ("deliver", "sandbox"),
    ("denied", "expired"),
)
"""What becomes of the invoices in turn, by the names of the sandbox; and through whom."""

MAIL = b"""From: Ada <ada@customer.example>
To: invoices@kuvert.example
Subject: Re: your invoice <b>2026-10004</b>
Message-ID: <1@customer.example>

We have moved. Please send it to our new address.
"""
SILENT = "silent@sandbox.example"
BOUNCE = """From: MAILER-DAEMON@mx.buyer.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce-{number}@mx.buyer.example>
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x
Content-Type: text/plain

Your mail could not be delivered.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.buyer.example

Final-Recipient: rfc822; {address}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 {status} <{address}>: {words}
--x--
"""
INVOICES = 64
ROUNDS = 8
"""As many as a delivery that always fails is tried."""


class Outside:
    """A provider that treats each invoice as the sandbox would, by its recipient."""

    def deliver(
        self, route: Route, envelopes: Iterable[Envelope], on_pause: Callable[[], object]
    ) -> Iterator[tuple[Envelope, Result]]:
        """Answer each envelope."""
        for envelope in envelopes:
            way = (envelope.recipient or "").partition("@")[0]
            yield envelope, read_end(route, self._end(way, envelope))

    def _end(self, way: str, envelope: Envelope) -> Answer | Failure:
        if way == "refuse":
            return Answer(422, {}, b'{"reason": "no electronic invoices here"}', 0.03)
        if way == "broken" or (way == "error" and envelope.attempt < 3):
            return Answer(503, {"retry-after": "1"}, b"<h1>Service Unavailable</h1>", 0.2)
        if way == "timeout":
            return Failure("no answer within 30 s", may_have_arrived=True, seconds=30.0)
        if way == "denied":
            return Answer(401, {}, b'{"error": "the key has expired"}', 0.02)
        reference = json.dumps({"id": f"ref-{envelope.number}"}).encode()
        return Answer(202, {"content-type": "application/json"}, reference, 0.05)


def main(texts: Sequence[str]) -> None:
    """Fill the desk."""
    with application():
        _people()
        _set_up()
        _take(_naughty(texts), "naughty & co")
        ids = _take(_ordinary(), "erp")
        _take(_ordinary(8, currency="SEK", number="W-2026-", is_test=False), "webshop")
        full_subscriptions.add("erp")
        _hand_over(ROUNDS)
        _act(ids)
        _bounce_back()
        _call_back()  # the last that works on callbacks: one has only been received
        _suppress()
        _hold_legally(ids[-1])
        full_subscriptions.push()
        _take(_ordinary(8, number="NEW-"), "erp")
        _hand_over(1)
        _take(_ordinary(4, number="NOW-"), "erp")
        _begin_one()
        _take(_ordinary(5, number="READY-"), "erp")
        _add_up()
        _mail_reports()
        full_schedule.fill(texts[::10])


def _people() -> None:
    """Add somebody of each role, and somebody who has left."""
    with unit_of_work() as connection:
        for role, email in STAFF.items():
            people.add(connection, email, role, PASSWORD)
        people.add(connection, "left@example.com", Role.OPERATOR, PASSWORD)
        people.disable(connection, "left@example.com")


def _set_up() -> None:
    """Add providers, sources and keys of every kind."""
    secret = ["env:TEST_CALLBACK_SECRET"]
    url = "https://api.provider.example/v2/invoices"
    providers = (
        NewProvider(
            code="sandbox", channel="sandbox", is_idempotent=True, callback_secret_refs=secret
        ),
        NewProvider(code="loose-sandbox", channel="sandbox"),
        NewProvider(code="post", channel="http", url=url, auth_ref="env:POST_API_KEY"),
        NewProvider(code="expired", channel="sandbox", is_idempotent=True),
    )
    with unit_of_work() as connection:
        for new in providers:
            setup.add_provider(connection, new, settings=settings())
        edits.pause_provider(connection, "post", "their maintenance, until Monday", ANN)
        for name, environment, provider in (
            ("erp", "test", "sandbox"),
            ("webshop", "live", "post"),
            ("naughty & co", "test", "sandbox"),
            ("old system", "live", None),
        ):
            source = setup.add_source(connection, name, environment, provider)
            access.create_key(connection, source, environment, expires_days=30)
            revoked = access.create_key(connection, source, environment, ["invoices:read"])
            access.revoke(connection, revoked.split("_")[2], ANN)
        edits.disable_source(connection, "old system", ANN)


def _naughty(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Put each text into every field of an invoice that somebody outside fills freely."""
    for index, text in enumerate(texts):
        line = {"description": text[:300] or "-", "quantity": "1", "unit_price": "1.00"}
        fields: dict[str, object] = {
            "seller": {"name": text, "id": text[:120]},
            "buyer": {"name": text, "id": text[:120], "address": text},
            "buyer_reference": text[:200],
            "external_id": f"{index} {text}"[:120],
            "lines": [{**line, "net_amount": "1.00"}],
        }
        yield invoice_json(
            number=f"N-{index:04}", tax_amount="0.00", payable_amount="1.00", **fields
        )


def _ordinary(
    count: int = INVOICES, *, currency: str = "EUR", number: str = "2026-", is_test: bool = True
) -> Iterator[dict[str, Any]]:
    today = utcnow().date()
    for index in range(count):
        way, provider = WAYS[index % len(WAYS)]
        place = {"to": f"{way}@sandbox.example", "provider": provider}
        net = 40 * (index + 1) ** 2 + 0.5
        price = f"{net:.2f}"
        yield invoice_json(
            number=f"{number}{10_000 + index}",
            issue_date=f"{today - timedelta(days=index % 9)}",
            due_date=f"{today + timedelta(days=30)}",
            currency=currency,
            buyer_reference=f"PO-{7000 + index}",
            seller={"name": SELLERS[index % len(SELLERS)], "id": "DE123456789"},
            buyer={"name": BUYERS[index % len(BUYERS)], "address": "Marktplatz 1, 20095 Hamburg"},
            lines=[
                {"description": "Goods as ordered", "quantity": "1", "unit_price": price}
                | {"net_amount": price}
            ],
            tax_amount="0.00",
            payable_amount=price,
            delivery=place if is_test else None,
        )


def _take(bodies: Iterable[dict[str, Any]], source_name: str) -> list[UUID]:
    """Take in what the API would; a text that it refuses is left out."""
    with unit_of_work() as connection:
        source = setup.source(connection, source_name)
        news = [_read(body) for body in bodies]
        done = intake.accept_many(connection, source.id, source.environment, news)
    refused = [one for one in done if isinstance(one, KuvertError)]
    if refused:
        raise refused[0]
    return [one.id for one in done if not isinstance(one, KuvertError)]


def _read(body: dict[str, Any]) -> NewInvoice:
    """Read one; where a text does not fit a field, that field becomes ordinary."""
    try:
        return read_json_invoice(json.dumps(body).encode())
    except InputError as error:
        for finding in error.findings:
            _mend(body, invoice_json(), finding.where.split("/")[1:])
    return read_json_invoice(json.dumps(body).encode())


def _mend(mine: Any, ordinary: Any, path: Sequence[str]) -> None:  # noqa: ANN401 - JSON
    """Put what is ordinary at a path, or nothing where nothing is ordinary."""
    name = int(path[0]) if isinstance(mine, list) else path[0]
    if len(path) > 1:
        _mend(mine[name], ordinary[name], path[1:])
    elif name in ordinary:
        mine[name] = ordinary[name]
    else:
        del mine[name]


def _hand_over(rounds: int) -> None:
    """Try what is due so many times, as over a day; each time the providers are trusted anew."""
    trusted = {"failures": 0, "closed_until": None, "pace": pace.MOST}
    for _ in range(rounds):
        desk.due()
        desk.change(desk.PROVIDERS, **trusted)
        desk.send(Outside())


def _begin_one() -> None:
    """Leave invoices where a worker is about to send them."""
    for message in desk.claim():
        batch = desk.batch_of(message)
        if batch is not None:
            with unit_of_work() as connection:
                attempts.begin(connection, batch.provider_id, message, new_id(), message.ids)


def _act(ids: Sequence[UUID]) -> None:
    """Hold, cancel, resend and settle a few, as staff would."""
    with unit_of_work() as connection:
        found = select(Invoice.id, Invoice.status).where(Invoice.id.in_(ids)).order_by(Invoice.id)
        by_status: dict[str, list[UUID]] = {}
        for row in connection.execute(found):
            by_status.setdefault(row.status, []).append(row.id)
        failed = [*by_status.get(Status.UNDELIVERABLE, []), *by_status.get(Status.FAILED, [])]
        for one in failed[:3]:
            actions.resend(connection, one, BY_STAFF)
        actions.hold(connection, failed[0], BY_STAFF)
        actions.cancel(connection, failed[1], BY_STAFF)
        for one in by_status.get(Status.UNKNOWN, [])[:1]:
            actions.reconcile(connection, one, BY_STAFF, Status.DELIVERED)


def _call_back() -> None:
    """Have the provider say something of each kind."""
    with reading() as connection:
        columns = (desk.DELIVERIES.c.id, desk.DELIVERIES.c.recipient)
        sent = select(*columns).where(
            desk.DELIVERIES.c.state == Status.SENT, desk.DELIVERIES.c.recipient.like("%@sandbox%")
        )
        rows = list(connection.execute(sent.order_by(columns[0])))
    for index, row in enumerate(rows):
        word = "bounced" if row.recipient.startswith("bounce") else "delivered"
        if not row.recipient.startswith("silent"):
            _say(f"evt-{index}", {"reference": str(row.id), "status": word, "detail": "mailbox"})
    known = str(rows[0].id)
    _say("evt-0", {"reference": known, "status": "delivered", "detail": "other words"})
    _say("late", {"reference": known, "status": "sent"})
    _say("orphan", {"reference": "who-is-this", "status": "delivered"})
    _say("unmapped", {"reference": known, "status": "galactic <b>word</b>"})
    _say("unreadable", b"<html>not JSON</html>")
    now = utcnow()
    with unit_of_work() as connection:
        storing.keep(connection, [Mail(1, MAIL, len(MAIL))], new_id(), now, now)
    work_through_callbacks()
    _say("received", {"reference": known, "status": "delivered"})
    with unit_of_work() as connection:
        provider = setup.provider(connection, "sandbox")
        map_status(connection, provider.id, "handed to the neighbour", Status.DELIVERED, ANN)


def _say(event_id: str, body: object) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = utcnow()
    signed = signed_headers([Secret.parse(SECRET)], event_id, int(now.timestamp()), raw)
    headers = {"content-type": "application/json", "user-agent": "Sandbox/1.0", **dict(signed)}
    with unit_of_work() as connection:
        sender = inbox.sender(connection, "sandbox")
        inbox.receive(connection, sender, {key.lower(): headers[key] for key in headers}, raw, now)


def _bounce_back() -> None:
    """Have mails bounce that nobody has answered; one of them is overruled by staff."""
    with reading() as connection:
        mine = desk.DELIVERIES.c.recipient == SILENT, desk.DELIVERIES.c.state == Status.SENT
        keys = list(connection.scalars(select(desk.DELIVERIES.c.id).where(*mine)))
    said = (("5.1.1", "user <b>unknown</b>"), ("5.1.1", "user unknown"), ("5.2.2", "mailbox full"))
    now = utcnow()
    mails = []
    for number, (key, (status, words)) in enumerate(zip(keys, said, strict=False), 1):
        to = mail_token.envelope_sender(current().secret_key, key, "billing@kuvert.example")
        raw = BOUNCE.format(to=to, number=number, address=SILENT, status=status, words=words)
        mails.append(Mail(number, raw.encode(), len(raw)))
    with unit_of_work() as connection:
        kept = storing.keep(connection, mails, new_id(), now, now)
    work_through_callbacks()
    with unit_of_work() as connection:
        full, why = kept[-1].id, "they have the mail all the same"
        overruling.overrule(connection, full, Ruling.NONE, reason=why, by=ANN)


def _mail_reports() -> None:
    """Have reports by mail of each state that a person has to know."""
    states = (
        (MailState.SENT, "250 OK"),
        (MailState.UNCLEAR, "the connection was lost after the end of the mail"),
        (MailState.FAILED, "refused for good: 550 5.7.1 not from you"),
        (MailState.SENT, "250 OK; refused: board@example.org: 550 5.1.1 no such user"),
    )
    with unit_of_work() as connection:
        for number, (state, detail) in enumerate(states):
            week = f"2026-W{number + 40}"
            row: dict[str, Any] = {"id": new_id(), "week": week, "once": week, "state": state}
            row |= {"recipients": ["finance@example.org", "board@example.org"], "detail": detail}
            row |= {"asked_by": "task tasks.getTotalInvoices", "attempt_count": 1}
            row |= {"created_at": utcnow(), "finished_at": utcnow()}
            connection.execute(insert(ReportMail.__table__).values(row))


def _suppress() -> None:
    """Have addresses that are suppressed by hand, of which one was released."""
    with unit_of_work() as connection:
        source = setup.source(connection, "erp")
        for name in ("gone", "moved"):
            address, why = f"{name}@buyer.example", "they told us"
            suppressions.add(connection, source.id, address, by=ANN.actor, reason=why)
        why = "they are there again"
        suppressions.release(connection, "moved@buyer.example", "erp", by=ANN.actor, reason=why)


def _hold_legally(invoice_id: UUID) -> None:
    """Have an invoice that was under legal hold, and an address that still is."""
    with unit_of_work() as connection:
        why = "case 4711"
        lifted = holds.hold_invoice(connection, invoice_id, by=ANN.actor, reason=why)
        holds.lift(connection, lifted, by=ANN.actor, reason="the court has decided")
        holds.hold_address(connection, "disputed@buyer.example", by=ANN.actor, reason=why)


def _add_up() -> None:
    """Keep the totals of this week and of the last."""
    with unit_of_work() as connection:
        for moment in (utcnow(), utcnow() + timedelta(days=7)):
            totals.store(connection, totals.Week.before(moment, current().timezone))


if __name__ == "__main__":
    main(json.load(sys.stdin))
