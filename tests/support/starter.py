"""Starts the pump of deliveries again and again: `python -m tests.support.starter COUNT FILE`.

A run takes a small page at a time and ends by itself after a moment, so that many follow each
other. Each start appends a line of JSON to FILE: `began` and `ended`, by the clock that all
processes of a machine share, are those of the work that it did under its lease, null where another
had that; `said` is what the run returned, or which error ended it.
"""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from uuid import UUID

from flask import Flask
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core import leases, pump
from core.app import create_app
from core.broker import BROKER_ERRORS
from core.pump import Group
from core.settings import current
from invoices.services import claims, outcomes
from invoices.tasks import DELIVERIES

RUN_SECONDS = 0.3
PAGE = 4
PAGE_SECONDS = 0.02
PAUSE_SECONDS = 0.4


@dataclass
class Start:
    """What became of one start."""

    began: float | None = None
    ended: float | None = None
    said: str = ""

    def before(self, connection: Connection) -> None:
        """Begin to work, as the pump has it."""
        self.began = monotonic()
        outcomes.settle_lost(connection)

    def claim(
        self, connection: Connection, limit: int, token: UUID, until: datetime
    ) -> list[Group]:
        """Claim a small page, slowly."""
        threading.Event().wait(PAGE_SECONDS)
        return claims.claim(connection, min(limit, PAGE), token, until)

    def release(self, connection: Connection, held: leases.Held) -> None:
        """End, at the first try to give the lease back."""
        self.ended = self.ended or monotonic()
        leases.release(connection, held)


def claim(connection: Connection, limit: int, token: UUID, until: datetime) -> list[Group]:
    """Claim a small page, slowly."""
    threading.Event().wait(PAGE_SECONDS)
    return claims.claim(connection, min(limit, PAGE), token, until)


def start(app: Flask) -> Start:
    """Start the pump once."""
    one = Start()
    vars(pump)["leases"] = _Leases(one)
    own = replace(DELIVERIES, before=one.before, claim=claim)
    try:
        one.said = pump.run(own, app.extensions["celery"], pump.limits(current()))
    except (SQLAlchemyError, *BROKER_ERRORS) as error:
        one.said = f"cut: {type(error).__name__}"
    return one


class _Leases:
    """The module `leases` as the pump is to see it: a start hears of the end."""

    def __init__(self, one: Start) -> None:
        self.release = one.release

    def __getattr__(self, name: str) -> object:
        return getattr(leases, name)


def starts(count: int) -> Iterator[Start]:
    """Start it so often, each in a context of its own as a task has."""
    vars(pump)["RUN_SECONDS"] = RUN_SECONDS
    app = create_app(current(), has_pages=False)
    for _ in range(count):
        with app.app_context():
            yield start(app)
        threading.Event().wait(PAUSE_SECONDS)


if __name__ == "__main__":
    with Path(sys.argv[2]).open("a") as file:
        for line in starts(int(sys.argv[1])):
            print(json.dumps(asdict(line)), file=file, flush=True)
