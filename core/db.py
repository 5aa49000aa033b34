"""The database handle of the application and the unit of work.

Nothing outside this module ends a transaction.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from core.database import Database
from core.models import Base

logger = logging.getLogger(__name__)

EXTENSION = "kuvert_database"


class Handle(SQLAlchemy):
    """Flask-SQLAlchemy over the engine of our database class."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:  # noqa: ARG002
        """Build the database class for the URL and keep it beside the engine."""
        database = Database(options["url"])
        app.extensions[EXTENSION] = database
        return database.engine


db = Handle(model_class=Base)


def database() -> Database:
    """Return the database of the current application."""
    found: Database = current_app.extensions[EXTENSION]
    return found


def reading() -> AbstractContextManager[Connection]:
    """Open a connection for reads (or for one statement that is a transaction by itself)."""
    return database().single()


@contextmanager
def unit_of_work() -> Iterator[Connection]:
    """Commit what the block did on the connection, or roll all of it back.

    Routes, tasks and commands open one; services write on the connection it gives.
    """
    try:
        yield db.session.connection(execution_options={"kuvert_write": True})
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise


@contextmanager
def trial() -> Iterator[Connection]:
    """Give a connection on which whatever the block does is rolled back: for dry runs."""
    try:
        yield db.session.connection(execution_options={"kuvert_write": True})
    finally:
        db.session.rollback()


def after_commit(job: Callable[[], object]) -> None:
    """Run `job` once the current transaction has committed; forget it on rollback.

    The same job asked for twice runs once. A job must neither wait nor raise.
    """
    jobs = db.session.info.setdefault("after_commit", [])
    if job not in jobs:
        jobs.append(job)


@event.listens_for(Session, "after_commit")
def run_jobs(session: Session) -> None:
    """Run collected jobs, whoever committed (Flask-Admin commits by itself)."""
    if session.in_nested_transaction():
        return
    for job in session.info.pop("after_commit", []):
        job()


@event.listens_for(Session, "after_soft_rollback")
def forget_jobs(session: Session, previous: SessionTransaction) -> None:
    """Drop collected jobs when their transaction is rolled back."""
    if not previous.nested:
        session.info.pop("after_commit", None)
