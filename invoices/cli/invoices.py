"""`manage.py invoice`: import, look at and decide invoices, as staff of all sources."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from core.cli import json_option, output
from core.cli_app import application
from core.staff import command_line_user
from invoices.cli.importing import import_files
from invoices.cli.pdf import make_pdf

if TYPE_CHECKING:
    from sqlalchemy import Connection

reason_option = click.option("--reason", required=True, help="Why; it stands in the history.")
id_argument = click.argument("invoice_id", metavar="ID", type=click.UUID)
MOST_PARTS = 1000


@click.group()
def invoice() -> None:
    """Import invoices, look at them, decide what becomes of them."""


invoice.add_command(import_files)
invoice.add_command(make_pdf)


@invoice.command(name="list")
@click.option("--source", "source_name", metavar="NAME", help="Of this source alone.")
@click.option("--status", multiple=True, help="May be repeated.")
@click.option("--number")
@click.option("--external-id")
@click.option("--buyer", help="A part of the name.")
@click.option("--currency", help="Such as EUR.")
@click.option("--created-from", metavar="TIME", help="Such as 2026-11-22T08:30:00Z.")
@click.option("--created-to", metavar="TIME")
@click.option("--due-from", metavar="DATE", help="Such as 2026-11-22.")
@click.option("--due-to", metavar="DATE")
@click.option("--label", multiple=True, metavar="KEY:VALUE", help="May be repeated.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_invoices(
    *, source_name: str | None, limit: int, as_json: bool, **given: str | tuple[str, ...] | None
) -> None:
    """List invoices, newest first."""
    from core.db import reading
    from core.errors import InputError
    from invoices import answers, queries, setup
    from invoices.filters import read_filters

    try:
        filters = read_filters(_as_parameters(given))
    except InputError as error:
        raise click.UsageError(error.detail) from error
    with application(), reading() as connection:
        source_id = setup.source(connection, source_name).id if source_name else None
        rows = queries.newest(connection, source_id, filters, None, limit)
    shown = [answers.listed_invoice(row) for row in rows]
    output(shown if as_json else [_in_short(row) for row in shown], as_json)


@invoice.command(name="show")
@id_argument
@json_option
def show_invoice(invoice_id: UUID, *, as_json: bool) -> None:
    """Show one invoice, its deliveries and the attempts to hand it over."""
    from core.db import reading
    from invoices import answers, queries

    with application(), reading() as connection:
        row = queries.invoice(connection, None, invoice_id)
        deliveries = queries.deliveries(connection, None, invoice_id, None, MOST_PARTS)
        attempts = queries.attempts(connection, None, invoice_id, None, MOST_PARTS)
    parts = {
        "deliveries": [answers.delivery(part) for part in deliveries],
        "attempts": [answers.attempt(part) for part in attempts],
    }
    if as_json:
        output(answers.invoice(row, row.body) | parts, as_json)
        return
    output(_flat(answers.listed_invoice(row)), as_json)
    for name, rows in parts.items():
        click.echo(f"\n{name}:")
        output(rows, as_json)


@invoice.command(name="history")
@id_argument
@json_option
def show_history(invoice_id: UUID, *, as_json: bool) -> None:
    """Show everything that happened to one invoice, in order."""
    from core.db import reading
    from status import answers, gaps, queries

    with application(), reading() as connection:
        rows = queries.history(connection, None, invoice_id, None, MOST_PARTS)
        for gap in gaps.of_invoice(connection, invoice_id):
            click.echo(f"Note: {gaps.in_words(gap)}", err=True)
    if as_json:
        output([answers.event(row) for row in rows], as_json)
        return
    names = ("sequence", "occurred_at", "from_status", "to_status", "cause", "actor", "note")
    output([{name: row._mapping[name] for name in names} for row in rows], as_json)  # noqa: SLF001 - its public name


@invoice.command()
@id_argument
@reason_option
@json_option
def cancel(invoice_id: UUID, reason: str, *, as_json: bool) -> None:
    """Take an invoice out before it goes."""
    _act("cancel", invoice_id, as_json=as_json, reason=reason)


@invoice.command()
@id_argument
@reason_option
@json_option
def hold(invoice_id: UUID, reason: str, *, as_json: bool) -> None:
    """Keep an invoice back until it is released."""
    _act("hold", invoice_id, as_json=as_json, reason=reason)


@invoice.command()
@id_argument
@reason_option
@click.option("--provider", metavar="CODE", help="Through this provider instead.")
@click.option("--to", metavar="ADDRESS", help="To this address instead.")
@json_option
def release(
    invoice_id: UUID, reason: str, provider: str | None, to: str | None, *, as_json: bool
) -> None:
    """Let a held invoice go."""
    _act("release", invoice_id, as_json=as_json, reason=reason, provider=provider, to=to)


@invoice.command()
@id_argument
@reason_option
@click.option("--provider", metavar="CODE", help="Through this provider instead.")
@click.option("--to", metavar="ADDRESS", help="To this address instead.")
@click.option("--confirm", is_flag=True, help="Also where it was sent: somebody gets it twice.")
@json_option
def resend(invoice_id: UUID, *, as_json: bool, **asked: object) -> None:
    """Send the same document once more, under a new dispatch key."""
    _act("resend", invoice_id, as_json=as_json, **asked)


@invoice.command()
@id_argument
@click.option("--status", required=True, help="What somebody has found out, such as sent.")
@reason_option
@json_option
def reconcile(invoice_id: UUID, status: str, reason: str, *, as_json: bool) -> None:
    """Decide an invoice whose outcome is unknown; retry_wait sends it again as it was."""
    _act("reconcile", invoice_id, as_json=as_json, status=status, reason=reason)


def _act(verb: str, invoice_id: UUID, *, as_json: bool, **given: object) -> None:
    """Carry out one verb and show where the invoice stands then."""
    from core.db import reading, unit_of_work
    from core.errors import ConflictError, InputError
    from invoices import queries
    from invoices.schemas.actions import check_action
    from invoices.services.actions import RECONCILED, VERBS

    try:
        asked = check_action(verb, {name: value for name, value in given.items() if value})
    except InputError as error:
        raise click.UsageError(error.detail) from error
    if asked.get("status", "sent") not in RECONCILED:
        known = ", ".join(sorted(RECONCILED))
        raise click.BadParameter(f"one of {known}", param_hint="--status")
    with application():
        try:
            with unit_of_work() as connection:
                _carry_out(connection, VERBS[verb], invoice_id, asked)
        except ConflictError as error:
            if any(one.where == "/confirm" for one in error.findings):
                raise ConflictError(f"{error.detail}: --confirm") from error
            raise
        with reading() as connection:
            output(queries.standing(connection, None, invoice_id), as_json)


def _carry_out(
    connection: "Connection",
    verb: Callable[..., object],
    invoice_id: UUID,
    asked: Mapping[str, object],
) -> None:
    from invoices.services.actions import Order
    from status.models import Cause

    more = dict(asked)
    order = Order(reason=str(more.pop("reason")), actor=command_line_user(), cause=Cause.STAFF)
    verb(connection, invoice_id, order, **more)


def _as_parameters(given: Mapping[str, str | Sequence[str] | None]) -> dict[str, Sequence[str]]:
    """Write options as the query of the API has them."""
    return {
        name: [value] if isinstance(value, str) else value for name, value in given.items() if value
    }


def _in_short(shown: Mapping[str, Any]) -> dict[str, object]:
    """Leave to people what they look for in a table."""
    return {
        "id": shown["id"],
        "number": shown["number"],
        "issued": shown["issue_date"],
        "seller": shown["seller"]["name"],
        "buyer": shown["buyer"]["name"],
        "payable": f"{shown['payable_amount']} {shown['currency']}",
        "status": shown["status"],
        "created_at": shown["created_at"],
    }


def _flat(shown: Mapping[str, Any]) -> dict[str, object]:
    """Put members of members on lines of their own."""
    return dict(_leaves(shown, ""))


def _leaves(shown: Mapping[str, Any], before: str) -> Iterable[tuple[str, object]]:
    for name, value in shown.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name, value if isinstance(value, str) else json.dumps(value)
