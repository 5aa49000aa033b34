"""The database class: one interface, one class per engine, chosen by the URL."""

from core.database.base import Database

__all__ = ["Database"]
