"""`manage.py invoice pdf`: a PDF made from an invoice."""

import re
from pathlib import Path
from uuid import UUID

import click

from core.cli_app import application
from core.errors import InputError

LANGUAGES = ("en", "de")
"""Those of `invoices.pdf`, written here once more so that `--help` does not import it."""

_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@click.command(name="pdf")
@click.argument("invoice_id", metavar="ID", type=click.UUID)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Where to, - for standard output; else a new file here, named as the invoice.",
)
@click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True)
def make_pdf(invoice_id: UUID, path: Path | None, language: str) -> None:
    """Make a PDF from an invoice, to read and to print."""
    from core.db import reading
    from invoices import queries
    from invoices.pdf import check_available, make

    check_available()
    with application(), reading() as connection:
        row = queries.document(connection, None, invoice_id)
    body = make(row.body, row.media_type, language=language)
    if path == Path("-"):
        click.echo(body, nl=False)
        return
    click.echo(_written(body, path, f"{_UNSAFE_IN_NAME.sub('_', row.number)}.pdf"))


def _written(body: bytes, path: Path | None, name: str) -> Path:
    """Write the file and return where it is; one of the same name is replaced only if asked for.

    Raises:
        InputError: the file is there already, or cannot be written.
    """
    target = path or Path(name)
    try:
        with target.open("xb" if path is None else "wb") as file:
            file.write(body)
    except FileExistsError as error:
        raise InputError(f"{name} is there already: name the file with -o") from error
    except OSError as error:
        raise InputError(f"{target}: {error.strerror}") from error
    return target
