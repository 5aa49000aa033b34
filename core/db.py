"""The database handle of the application and the unit of work.

Nothing outside this module ends a transaction.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as AppSession
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, SessionTransaction

from core import audit
from core.database import Database
from core.models import Base
from core.outages import Outage, outage

logger = logging.getLogger(__name__)

EXTENSION = "kuvert_database"
_WRITES = "kuvert_write"

BRIEFLY = (0.05, 0.2, 0.5)
"""Seconds to wait between tries of `insist` where somebody waits for the answer."""

LONG = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
"""The same where giving up would lose what cannot be found out again."""

Done = TypeVar("Done")


class Handle(SQLAlchemy):
    """Flask-SQLAlchemy over the engine of our database class."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:  # noqa: ARG002
        """Build the database class for the URL and keep it beside the engine."""
        database = Database(options["url"])
        audit.listen(database)
        app.extensions[EXTENSION] = database
        return database.engine


class _Session(AppSession):
    """A session that can be told that it will write; see `will_write`."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:  # noqa: ANN401
        """Return the engine, as the class of the database wants it for writing."""
        writing: Engine | None = self.info.get(_WRITES)
        return super().get_bind(*args, **kwargs) if writing is None else writing


db = Handle(model_class=Base, session_options={"class_": _Session})


def will_write() -> None:
    """Have the session of this context begin its transactions as a unit of work does.

    For what writes through the session itself, as the forms of pages do. It must be called
    before the session is first used.
    """
    # One engine for the whole session: each has a transaction of its own.
    db.session.info[_WRITES] = db.engine.execution_options(kuvert_write=True)


def is_writing() -> bool:
    """Tell whether the session of this context was told so by `will_write`."""
    return db.session.registry.has() and _WRITES in db.session.info


def singly() -> dict[str, Any]:
    """Return the `bind_arguments` with which one query of the session is its own transaction.

    What is changed in its objects is written by the session as usual.
    """
    return {"bind": database().singles}


def database() -> Database:
    """Return the database of the current application."""
    found: Database = current_app.extensions[EXTENSION]
    return found


def database_time(connection: Connection) -> datetime:
    """Return the time by the database's clock: the same for all hosts, however theirs differ."""
    return connection.execute(select(database().clock())).scalar_one()


def reading() -> AbstractContextManager[Connection]:
    """Open a connection for reads (or for one statement that is a transaction by itself)."""
    return database().single()


@contextmanager
def unit_of_work() -> Iterator[Connection]:
    """Commit what the block did on the connection, or roll all of it back.

    Routes, tasks and commands open one; services write on the connection it gives.
    """
    try:
        yield db.session.connection(execution_options=_as_writing())
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise


def _as_writing() -> dict[str, bool] | None:
    """Return what begins a transaction that writes; None where the session does so anyway."""
    # It may have begun already, and then takes no options.
    return None if _WRITES in db.session.info else {"kuvert_write": True}


@contextmanager
def fresh_unit_of_work() -> Iterator[Connection]:
    """Do as `unit_of_work`, where the session may have read something before.

    Its reading transaction ends first: a snapshot of then could not see what others have
    written since, and SQLite could not turn it into one that writes.
    """
    let_go()
    with unit_of_work() as connection:
        yield connection


def let_go() -> None:
    """End the reading transaction of the session, as before somebody outside is called."""
    db.session.rollback()


def insist(work: Callable[[Connection], Done], waits: Sequence[float] = BRIEFLY) -> Done:
    """Do `work` in a unit of work, and again when the database did not let it through.

    A deadlock, a lock that was not granted in time and a connection that was cut take nothing
    in, and the next try may pass. A cut connection may also hide a commit that was made, so
    `work` must bear being done twice: it is guarded by a token or a unique rule.
    """
    pause = threading.Event()
    for seconds in waits:
        try:
            with unit_of_work() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            if outage(error) is not Outage.AWAY:
                raise
            logger.warning("trying again", extra={"error": str(error).splitlines()[0]})
        pause.wait(seconds)
    with unit_of_work() as connection:
        return work(connection)


@contextmanager
def trial() -> Iterator[Connection]:
    """Give a connection on which whatever the block does is rolled back: for dry runs."""
    try:
        yield db.session.connection(execution_options={"kuvert_write": True})
    finally:
        db.session.rollback()


@contextmanager
def fresh_trial() -> Iterator[Connection]:
    """Do as `trial`, where the session may have read something before."""
    db.session.rollback()
    try:
        yield db.session.connection(execution_options=_as_writing())
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
