"""`manage.py letter`: the mails that carry invoices, as staff have worded them."""

import click

from core.cli import json_option, output
from core.cli_app import application
from core.visible import visible

_BODIES = frozenset({"text", "html"})


@click.group()
def letter() -> None:
    """Look at the letters that carry invoices, and at that of one invoice."""


@letter.command(name="list")
@json_option
def list_letters(*, as_json: bool) -> None:
    """List the letters that staff have written; where there is none, ours count."""
    from core.db import reading
    from invoices.services import letters

    with application(), reading() as connection:
        rows = letters.templates(connection)
    names = ("source", "language", "subject", "version", "updated_at", "updated_by")
    output([{name: getattr(row, name) for name in names} for row in rows], as_json)


@letter.command()
@click.option("--source", metavar="NAME", help="As invoices of this source have it.")
@click.option("--language", metavar="CODE", help="In this language; in the source's if left out.")
@json_option
def show(source: str | None, language: str | None, *, as_json: bool) -> None:
    """Show the template that counts, as it was written."""
    from core.db import reading
    from invoices import setup
    from invoices.services import letters

    with application(), reading() as connection:
        source_id = setup.source(connection, source).id if source else None
        found = letters.choose(connection, source_id, language)
    fields = {"language": found.language, "subject": found.subject, "text": found.text}
    _print(fields | ({"html": found.html} if found.html else {}), as_json=as_json)


@letter.command()
@click.argument("wanted", metavar="[INVOICE]", required=False)
@click.option("--source", metavar="NAME", help="As invoices of this source have it.")
@click.option("--language", metavar="CODE", help="In this language.")
@click.option("--html", "is_html", is_flag=True, help="With the HTML beside the text.")
@json_option
def preview(
    wanted: str | None, source: str | None, language: str | None, *, is_html: bool, as_json: bool
) -> None:
    """Show the letter of INVOICE, an id or a number, as it would go out now.

    Without INVOICE it is that of an invented invoice.
    """
    from core.db import reading
    from invoices.letters import write
    from invoices.services import letters

    if wanted and source:
        raise click.UsageError("an invoice has its source; leave --source out")
    with application(), reading() as connection:
        template, facts = letters.tried(connection, wanted, source, language)
    written = write(template, facts)
    fields = {"subject": written.subject, "text": written.text}
    _print(fields | ({"html": written.html} if is_html or as_json else {}), as_json=as_json)


def _print(fields: dict[str, str], *, as_json: bool) -> None:
    """Write a letter for people: its lines as they are, with nothing that steers a terminal."""
    if as_json:
        output(fields, as_json)
        return
    for name, text in fields.items():
        if name in _BODIES:
            click.echo("")
            for line in text.splitlines():
                click.echo(visible(line))
        else:
            click.echo(visible(f"{name}: {text}"))
