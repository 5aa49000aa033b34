"""Sets up an installation in one short process: `python -m tests.support.furnish JSON`.

The JSON holds `providers` (arguments of NewProvider), `sources` (name → provider),
`users` (mail address → role, with the password of tests.support.staff), and what to do with what
is there: `pause` and `resume` (a provider's code), `map` (code, word, status).
Prints the keys of new sources by name. Commands of manage.py do the same one by one.
"""

import json
import sys
from typing import Any

from sqlalchemy import Connection, select

from callbacks.mappings import map_status
from core.cli_app import application
from core.db import unit_of_work
from core.editing import By
from core.people import services as people
from core.settings import current
from invoices import access, edits, setup
from invoices.models import Provider
from status.models import Status
from tests.support.staff import PASSWORD

BY = By("furnish")


def main(wanted: dict[str, Any]) -> dict[str, str]:
    """Do what is wanted and return the new keys."""
    with application(), unit_of_work() as connection:
        for provider in wanted.get("providers", ()):
            new = setup.NewProvider(**provider)
            setup.add_provider(connection, new, settings=current())
        if "pause" in wanted:
            edits.pause_provider(connection, wanted["pause"], "a test", BY)
        if "resume" in wanted:
            edits.resume_provider(connection, wanted["resume"], BY, settings=current())
        if "map" in wanted:
            _map(connection, *wanted["map"])
        for email, role in wanted.get("users", {}).items():
            people.add(connection, email, role, PASSWORD)
        sources = wanted.get("sources", {})
        return {name: _source(connection, name, code) for name, code in sources.items()}


def _source(connection: Connection, name: str, code: str) -> str:
    source_id = setup.add_source(connection, name, "live", code)
    return access.create_key(connection, source_id, "live")


def _map(connection: Connection, code: str, word: str, status: str) -> None:
    columns = Provider.__table__.c
    provider_id = connection.scalars(select(columns.id).where(columns.code == code)).one()
    map_status(connection, provider_id, word, Status(status), BY)


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
