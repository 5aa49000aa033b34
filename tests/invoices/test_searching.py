"""Finding invoices by a part of what they are called."""

from uuid import UUID

import pytest
from sqlalchemy import select, text

from core.db import database, reading
from invoices import searching
from invoices.searching import INDEX
from tests.support import desk
from tests.support.data import missing
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = [pytest.mark.every_database, pytest.mark.every_case]

ACME = {"name": "Äcme_100% & Söhne", "email": "deliver@sandbox.example"}


@pytest.fixture
def ours(source: SourceWithKey) -> UUID:
    """One invoice among others."""
    for number in range(3):
        add_invoice(source, number=f"OTHER-{number}", external_id=f"x-{number}")
    return add_invoice(source, number="R-2026-00417", external_id="erp/4711", buyer=ACME)


def find(words: str) -> set[UUID]:
    with reading() as connection:
        clause = searching.clause(connection, words)
        return set(connection.scalars(select(desk.INVOICES.c.id).where(clause)))


@pytest.mark.parametrize(
    "words",
    [
        "R-2026-00417", "R-2026", "2026-00417", "00417", "417", "r-2026", " R-2026 ",
        "erp/4711", "4711", "ERP/", "Äcme", "äcme", "söhne", "_100%", "cme_100", "R-2026\0",
    ],
)  # fmt: skip
def test_an_invoice_is_found_by_any_part(ours: UUID, words: str) -> None:
    if words == "äcme" and database().engine.name == "sqlite":
        pytest.skip("SQLite knows upper and lower case of ASCII alone")
    assert find(words) == {ours}


@pytest.mark.parametrize("words", ["00418", "R%417", "R_2026", "%%%", "___", "\\", "'", "x" * 5000])
def test_signs_mean_themselves(ours: UUID, words: str) -> None:
    assert find(words) == set()


@pytest.mark.parametrize("words", ["", "  ", "\0"])
def test_no_words_find_all(ours: UUID, words: str) -> None:
    assert len(find(words)) == 4


def test_an_id_finds_its_invoice(ours: UUID) -> None:
    assert find(str(ours)) == {ours}


def test_two_letters_are_enough_among_the_newest(ours: UUID) -> None:
    assert find("26") == {ours}


def test_an_old_invoice_is_found_by_its_beginning_at_least(
    ours: UUID, source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "NEWEST", 1)
    monkeypatch.setattr(type(database()), "has_index", lambda *_: False)
    add_invoice(source)

    assert find("R-2026-004") == find("erp/47") == {ours}
    assert find("00417") == set()


def test_postgresql_has_the_index_and_uses_it(ours: UUID) -> None:
    if database().engine.name != "postgresql":
        pytest.skip("only PostgreSQL has such an index")
    with reading() as connection:
        if not database().has_index(connection, INDEX):
            missing("pg_trgm", "install postgresql-contrib")
        statement = select(desk.INVOICES.c.id).where(searching.clause(connection, "00417"))
        compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
        connection.execute(text("SET enable_seqscan = off"))
        plan = "\n".join(connection.scalars(text(f"EXPLAIN {compiled}")))
        connection.execute(text("RESET enable_seqscan"))

    assert INDEX in plan
