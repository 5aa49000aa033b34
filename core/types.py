"""Column types that mean the same on every engine."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, DateTime, Dialect, LargeBinary, Text, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

LongBytes = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
"""Bytes of any length; MySQL's BLOB ends at 64 kB."""

LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
"""Text of up to 16 MB; MySQL's TEXT ends at 64 kB."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out, to the microsecond, on every engine."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """Give MySQL its microseconds; without `fsp` it keeps whole seconds."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive value; hand UTC to the driver."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give values of SQLite and MySQL their zone back."""
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Amount(TypeDecorator[Decimal]):
    """A sum of money as a whole number of 1/10,000: exact on every engine, SQLite too.

    Holds up to 14 digits before the point. Its currency stands in the column beside it.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Refuse more than four decimals, NaN and infinity rather than round."""
        if value is None:
            return None
        if not value.is_finite():
            raise ValueError("an amount must be a number")
        scaled = value.scaleb(4)
        if scaled != scaled.to_integral_value():
            raise ValueError("more than four decimals")
        return int(scaled)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Give back the Decimal."""
        return None if value is None else Decimal(value).scaleb(-4)
