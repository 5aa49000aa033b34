"""The templates of letters: what staff say, which of them counts, and what it is filled with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, select

from core import editing
from core.clock import utcnow
from core.db import database
from core.editing import Book, By
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from invoices import letters, setup
from invoices.letter_models import LetterTemplate
from invoices.letters import Facts, Letter, Template
from invoices.models import Document, Invoice, Source

TEMPLATES = LetterTemplate.__table__
INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
SOURCES = Source.__table__
BOOK = Book(TEMPLATES, ("subject", "text", "html"), shown=("language",))

LANGUAGE_LABEL: Final = "language"
"""The label by which a billing system asks for the language of one letter."""

_ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the letter of an invoice is written from, free of the database."""

    template: Template
    invoice: Row[Any]
    source_name: str
    document: bytes

    def write(self) -> Letter:
        """Write the letter.

        Raises:
            InputError: the template breaks a rule, so that no letter can be written.
        """
        return letters.write(self.template, self.facts())

    def facts(self) -> Facts:
        """Return what the letter may say.

        Raises:
            InputError: the document cannot be read any more.
        """
        return letters.facts_of(self.invoice, self.source_name, self.document)


def add_template(connection: Connection, template: Template, source_id: UUID | None = None) -> UUID:
    """Keep a template for a source, None: for all that have none; return its id.

    Raises:
        InputError: what is wrong with the template, or there is no such source.
        ConflictError: there is one for that source and language already.
    """
    template = _as_kept(template)
    letters.check(template)
    if source_id is not None:
        _source_language(connection, source_id)
    row = {
        "id": new_id(),
        "source_id": source_id,
        "scope": _scope(source_id),
        "language": template.language,
        "subject": template.subject,
        "text": template.text,
        "html": template.html,
        "version": 1,
        "created_at": utcnow(),
    }
    if not database().insert_new(connection, TEMPLATES, [row]):
        message = "there is a letter for this source and language already; change that one"
        raise ConflictError(message, findings=[Finding("/language", "unique", message)])
    return UUID(str(row["id"]))


def edit_template(
    connection: Connection,
    template_id: UUID,
    values: Mapping[str, Any],
    by: By,
    version: int | None = None,
) -> set[str]:
    """Change subject, text or HTML; return which changed. Source and language stay.

    Raises:
        InputError: what is wrong with the template as it would be.
        ChangedError: somebody else has changed it since `version`.
    """
    old = editing.locked(connection, BOOK, template_id, version)
    new = editing.known(BOOK, values)
    wanted = _as_kept(replace(_template(old), **new))
    letters.check(wanted)
    kept = {name: getattr(wanted, name) for name in new}
    return editing.save(connection, BOOK, old, kept, by)


def remove_template(connection: Connection, template_id: UUID, version: int | None = None) -> None:
    """Take a template away; the next that fits counts from then on.

    Raises:
        ChangedError: somebody else has changed it since `version`.
    """
    editing.remove(connection, BOOK, editing.locked(connection, BOOK, template_id, version))


def templates(connection: Connection) -> list[Row[Any]]:
    """Return what staff have written, by source and language; those for all sources first."""
    statement = (
        select(TEMPLATES, SOURCES.c.name.label("source"))
        .outerjoin(SOURCES, SOURCES.c.id == TEMPLATES.c.source_id)
        .order_by(TEMPLATES.c.source_id.is_not(None), SOURCES.c.name, TEMPLATES.c.language)
    )
    return list(connection.execute(statement))


def choose(connection: Connection, source_id: UUID | None, language: str | None = None) -> Template:
    """Return the template that counts for a source; `language` None: in the source's own.

    The source's in that language, else the source's in its own language, else the one for all
    sources in that language, else ours.

    Raises:
        InputError: there is no such source, or no letters in that language.
    """
    own = None if source_id is None else _source_language(connection, source_id)
    if language is not None:
        check_language(language)
    known = _known(connection, [] if source_id is None else [source_id])
    return _best(known, source_id, own, language)


def drafts(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, Draft]:
    """Return what to write the letters of invoices from, by the id of the invoice.

    Letters are written when the transaction has ended: `Draft.write`.
    """
    statement = (
        select(
            INVOICES,
            SOURCES.c.name.label("source_name"),
            SOURCES.c.language.label("source_language"),
            DOCUMENTS.c.body.label("document"),
        )
        .join(SOURCES, SOURCES.c.id == INVOICES.c.source_id)
        .join(DOCUMENTS, DOCUMENTS.c.invoice_id == INVOICES.c.id)
        .where(database().among(INVOICES.c.id, invoice_ids), DOCUMENTS.c.role == "original")
    )
    rows = connection.execute(statement).all()
    known = _known(connection, list({row.source_id for row in rows}))
    return {
        row.id: Draft(
            template=_best(known, row.source_id, row.source_language, asked_language(row.labels)),
            invoice=row,
            source_name=row.source_name,
            document=row.document,
        )
        for row in rows
    }


def draft(connection: Connection, invoice_id: UUID) -> Draft:
    """Return the same for one invoice.

    Raises:
        NotFoundError: there is no such invoice.
    """
    found = drafts(connection, [invoice_id])
    if invoice_id not in found:
        raise NotFoundError("There is no invoice with this id")
    return found[invoice_id]


def tried(
    connection: Connection, wanted: str | None, source: str | None, language: str | None
) -> tuple[Template, Facts]:
    """Return template and facts of a letter to look at: of an invoice, or of an invented one.

    `wanted` is an id or a number; without it the template is that of the source with this name.

    Raises:
        NotFoundError: there is no such invoice or source.
        InputError: no letters are written in that language.
    """
    if wanted is None:
        source_id = setup.source(connection, source).id if source else None
        return choose(connection, source_id, language), letters.SAMPLE
    own = draft(connection, find_invoice(connection, wanted))
    template = choose(connection, own.invoice.source_id, language) if language else own.template
    return template, own.facts()


def find_invoice(connection: Connection, wanted: str) -> UUID:
    """Return the id of the invoice with this id, or of the newest with this number.

    Raises:
        NotFoundError: there is none.
    """
    columns = INVOICES.c
    try:
        is_wanted = columns.id == UUID(wanted)
    except ValueError:
        is_wanted = columns.number == wanted
    newest = select(columns.id).where(is_wanted).order_by(columns.id.desc()).limit(1)
    found: UUID | None = connection.scalar(newest)
    if found is None:
        raise NotFoundError(f"there is no invoice {wanted[:64]}")
    return found


def asked_language(labels: Mapping[str, str]) -> str | None:
    """Return the language that an invoice's labels ask for: `de`, `DE` and `de-AT` are German.

    None where they ask for none, or for one that no letters are written in: a label is the
    billing system's own word, and no reason to send nothing.
    """
    asked = labels.get(LANGUAGE_LABEL, "").replace("_", "-").partition("-")[0].strip().lower()
    return asked if asked in letters.LANGUAGES else None


def check_language(language: str) -> None:
    """Refuse a language that no letters are written in.

    Raises:
        InputError: with those that there are.
    """
    if language not in letters.LANGUAGES:
        message = f"language: one of {', '.join(letters.LANGUAGES)}"
        raise InputError.at("/language", "language", message)


_Known = Mapping[tuple[str, str], Template]
"""What staff have written, by scope and language."""


def _known(connection: Connection, source_ids: Sequence[UUID]) -> _Known:
    """Return the templates for all sources, and those of the given ones."""
    scopes = [_ALL, *map(_scope, source_ids)]
    rows = connection.execute(select(TEMPLATES).where(TEMPLATES.c.scope.in_(scopes)))
    return {(row.scope, row.language): _template(row) for row in rows}


def _best(known: _Known, source_id: UUID | None, own: str | None, asked: str | None) -> Template:
    own = own or letters.DEFAULT_LANGUAGE
    wanted = asked or own
    scope = _scope(source_id)
    places = ((scope, wanted), (scope, own), (_ALL, wanted))
    return next((known[place] for place in places if place in known), letters.builtin(wanted))


def _scope(source_id: UUID | None) -> str:
    return str(source_id) if source_id else _ALL


def _template(row: Row[Any]) -> Template:
    return Template(row.subject, row.text, row.html, row.language)


def _as_kept(template: Template) -> Template:
    """Return a template as the row keeps it: browsers end lines with CR LF."""
    html = (template.html or "").replace("\r\n", "\n")
    text = template.text.replace("\r\n", "\n")
    return replace(template, subject=template.subject.strip(), text=text, html=html or None)


def _source_language(connection: Connection, source_id: UUID) -> str | None:
    statement = select(SOURCES.c.id, SOURCES.c.language).where(SOURCES.c.id == source_id)
    found = connection.execute(statement).first()
    if found is None:
        raise InputError.at("/source_id", "source", "there is no such source")
    language: str | None = found.language
    return language
