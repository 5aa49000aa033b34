"""Mail: the channel on one connection, and dispatch by all workers, against a bare smtplib loop."""

import smtplib
import time
from collections.abc import Iterator
from uuid import uuid4

from sqlalchemy import update

from core import pace
from core.db import unit_of_work
from core.settings import current
from invoices import letters, setup
from invoices.channels import Envelope, Route
from invoices.channels.smtp import SmtpChannel, written
from invoices.letters import Letter, Template
from invoices.mail_route import mail_route
from invoices.models import Outcome, Provider
from tests.benchmarks.documents import document
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import free_port
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

MAILS = 300
RECIPIENT = "deliver@sandbox.example"
PROVIDERS = Provider.__table__


class _Draft:
    """A letter of ours, from facts that are there already."""

    template: Template = letters.builtin("en")

    def write(self) -> Letter:
        """Write it."""
        return letters.write(self.template, letters.SAMPLE)


class _Sides:
    """The ways to send, each returning mails per second."""

    def __init__(self, desk: Desk, port: int) -> None:
        self.desk = desk
        self.port = port
        self.route = _add(desk, port)

    def channel(self) -> float:
        began = time.perf_counter()
        for _, result in SmtpChannel().deliver(self.route, _envelopes(), _no_pause):
            if result.outcome != Outcome.ACCEPTED:
                raise RuntimeError(f"the mail server did not accept: {result.detail}")
        return MAILS / (time.perf_counter() - began)

    def dispatch(self) -> float:
        self.desk.fill("mail", MAILS)
        return MAILS / self.desk.send_all()

    def bare(self) -> float:
        """Send one ready mail over and over on one connection of smtplib."""
        way = mail_route(self.route, current())
        mail = written(way, next(_envelopes()), _Draft(), RECIPIENT)
        began = time.perf_counter()
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="bench.example") as client:
            for _ in range(MAILS):
                client.sendmail(mail.sender, [RECIPIENT], mail.content)
        return MAILS / (time.perf_counter() - began)


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Compare on one mail server, which takes every mail and keeps none."""
    port = free_port()
    arguments = ["-m", "tests.support.mail_server", str(port), "/dev/null", "0", "0"]
    stage.start("mail-server", arguments).wait_for_port(port)
    stage.start_worker()
    sides = _Sides(desk, port)
    for side in (sides.channel, sides.dispatch, sides.bare):
        side()
    channel, dispatch, bare = in_turns(sides.channel, sides.dispatch, sides.bare)
    against = "smtplib loop"
    return [
        Row(name="mails, one connection", ours=channel, other=bare, against=against, goal=0.4),
        Row(name="dispatch by mail", ours=dispatch, other=bare, against=against, goal=0.3),
    ]


def _add(desk: Desk, port: int) -> Route:
    new = setup.NewProvider(
        code="mail",
        channel="smtp",
        url=f"smtp://127.0.0.1:{port}",
        settings={"mail_from": "billing@seller.example", "attach_pdf": "no"},
    )
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=current())
        desk.sources["mail"] = setup.add_source(connection, "source of mail", "live", "mail")
        connection.execute(update(PROVIDERS).values(pace=pace.MOST))
        return Route.of(setup.provider(connection, "mail"))


def _envelopes() -> Iterator[Envelope]:
    body = document("mail")
    for number in range(MAILS):
        yield Envelope(
            delivery_id=uuid4(),
            attempt_id=uuid4(),
            attempt=1,
            number=f"2026-{number}",
            recipient=RECIPIENT,
            media_type="application/json",
            body=body,
            draft=_Draft(),
        )


def _no_pause() -> None:
    """Do nothing while the answer is awaited."""
