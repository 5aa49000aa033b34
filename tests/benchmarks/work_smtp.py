"""Mail: the channel, writing and sending over one connection, against a bare smtplib loop."""

import smtplib
import time
from collections.abc import Iterator
from uuid import uuid4

from core.db import unit_of_work
from core.settings import current
from invoices import letters, setup
from invoices.channels import Envelope, Route
from invoices.channels.smtp import SmtpChannel, written
from invoices.letters import Letter, Template
from invoices.mail_route import mail_route
from invoices.models import Outcome
from tests.benchmarks.documents import document
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import free_port
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

MAILS = 300
RECIPIENT = "deliver@sandbox.example"


class _Draft:
    """A letter of ours, from facts that are there already."""

    template: Template = letters.builtin("en")

    def write(self) -> Letter:
        """Write it."""
        return letters.write(self.template, letters.SAMPLE)


class _Sides:
    """The ways to send, each returning mails per second."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.route = _add(port)

    def channel(self) -> float:
        began = time.perf_counter()
        for _, result in SmtpChannel().deliver(self.route, _envelopes(), _no_pause):
            if result.outcome != Outcome.ACCEPTED:
                raise RuntimeError(f"the mail server did not accept: {result.detail}")
        return MAILS / (time.perf_counter() - began)

    def bare(self) -> float:
        """Send one ready mail over and over on one connection of smtplib."""
        way = mail_route(self.route, current())
        mail = written(way, next(_envelopes()), _Draft(), RECIPIENT)
        began = time.perf_counter()
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="bench.example") as client:
            for _ in range(MAILS):
                client.sendmail(mail.sender, [RECIPIENT], mail.content)
        return MAILS / (time.perf_counter() - began)


def rows(stage: Stage, _desk: Desk) -> list[Row]:
    """Compare on one mail server, which takes every mail and keeps none."""
    port = free_port()
    arguments = ["-m", "tests.support.mail_server", str(port), "/dev/null", "0", "0"]
    stage.start("mail-server", arguments).wait_for_port(port)
    sides = _Sides(port)
    for side in (sides.channel, sides.bare):
        side()
    channel, bare = in_turns(sides.channel, sides.bare)
    name = "mails written and sent, one connection"
    return [Row(name=name, ours=channel, other=bare, against="smtplib loop", goal=0.4)]


def _add(port: int) -> Route:
    new = setup.NewProvider(
        code="mail",
        channel="smtp",
        url=f"smtp://127.0.0.1:{port}",
        settings={"mail_from": "billing@seller.example", "attach_pdf": "no"},
    )
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=current())
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
