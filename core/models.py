"""The declarative base, and the tables of core."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from sqlalchemy import JSON, MetaData, String, Table, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

from core.types import Amount, UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of every table.

    A column with a foreign key names its type as well: without it SQLAlchemy takes the type of
    the column it refers to, which a statement built before that table is known does not have.
    """

    __table__: ClassVar[Table]
    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            datetime: UtcDateTime,
            Decimal: Amount,
            UUID: Uuid(),
            dict[str, str]: JSON,
            list[str]: JSON,
            list[int]: JSON,
        },
    )


class Heartbeat(Base):
    """A worker that says it is alive: by its name on the wire, since and when last.

    One that stops in order takes its row away; one that was killed leaves it behind. `version` is
    the Kuvert that it runs, as core.version has it; NULL: one from before that was written.
    """

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    queues: Mapped[list[str]]
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
    version: Mapped[str | None] = mapped_column(String(60))


class Lease(Base):
    """A named lock: who holds it, since when and until when.

    `token` grows with each holder (a fencing token): what an earlier holder still writes with an
    older token can be refused.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(200))
    token: Mapped[int]
    since: Mapped[datetime]
    until: Mapped[datetime]
