"""Logging in while others write: SQLite has one writer at a time."""

import threading

from flask import Flask
from sqlalchemy import insert

from core.clock import utcnow
from core.db import unit_of_work
from core.people.models import LoginFailure
from tests.support import staff


def test_logins_wait_for_others_who_write(app: Flask) -> None:
    ann, stop = staff.add(), threading.Event()
    written: list[int] = []

    def write() -> None:
        with app.app_context():
            while not stop.is_set():
                row = {"key": f"other {len(written)}", "count": 1, "last_at": utcnow()}
                with unit_of_work() as connection:
                    connection.execute(insert(LoginFailure.__table__).values(row))
                written.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        before = len(written)
        answers = [staff.browser(app).log_in(ann).status_code for _ in range(8)]
    finally:
        stop.set()
        thread.join()

    assert answers == [302] * 8
    assert len(written) > before
