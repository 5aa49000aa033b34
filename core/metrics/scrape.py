"""Everything there is to say for Prometheus, read at once and within a bounded time."""

import logging
import platform
import threading
from collections.abc import Iterable
from functools import cache, partial
from time import monotonic, perf_counter
from typing import Any

from flask import Flask
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from core import at_once, depths, metrics
from core.db import database_time, reading
from core.errors import UnavailableError
from core.metrics import families, own, store
from core.metrics.families import Family
from core.settings import Settings
from core.version import VERSION

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
"""For so long what was read of database and broker is shown again."""

LONGEST_SECONDS = 6.0
"""How long they may take; Prometheus itself waits for ten seconds unless told otherwise."""

Families = list[Family]


class Reader:
    """Reads for one application, and keeps what it has read for some seconds."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._kept: Families = []
        self._read_at: float | None = None

    def text(self, *, is_local: bool = False) -> bytes:
        """Return all metrics in Prometheus' text format.

        `is_local`: only what the processes of this machine have counted.
        """
        settings: Settings = self._app.extensions["kuvert_settings"]
        counted = store.read(settings.home / metrics.FOLDER)
        shared = [] if is_local else self._families()
        registry = CollectorRegistry()
        registry.register(_Collected([*counted, *map(_gauge, [_build(), *shared])]))
        return generate_latest(registry)

    def _families(self) -> Families:
        """Return what database and broker say; several who ask at once ask them once."""
        with self._lock:
            if self._read_at is None or monotonic() - self._read_at > KEPT_SECONDS:
                self._kept = self._read()
                self._read_at = monotonic()
            return self._kept

    def _read(self) -> Families:
        parts = {"database": partial(_database, self._app), "broker": partial(_broker, self._app)}
        found = at_once.run(parts, LONGEST_SECONDS, late=_late)
        return [family for part in found.values() for family in part]


class _Collected:
    """What was collected already, as prometheus-client wants to be given it."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return self._found


def _database(app: Flask) -> Families:
    began = perf_counter()
    try:
        with app.app_context(), reading() as connection:
            now = database_time(connection)
            readings = (own.read, *families.registered())
            found = [family for one in readings for family in one(connection, now)]
    except SQLAlchemyError as error:
        logger.warning("metrics without the database", extra={"error": _line(error)})
        return [_up("database", is_up=False)]
    took = Family.of(
        "kuvert_metrics_database_seconds",
        "Seconds that reading the metrics of the database took.",
        perf_counter() - began,
    )
    return [_up("database", is_up=True), took, *found]


def _broker(app: Flask) -> Families:
    try:
        with app.app_context():
            found = depths.depths(app.extensions["celery"])
    except UnavailableError as error:
        logger.warning("metrics without the broker", extra={"error": error.detail})
        return [_up("broker", is_up=False)]
    known = [((one.queue,), float(one.messages)) for one in found if one.messages is not None]
    waiting = Family(
        "kuvert_queue_messages",
        "Messages that wait in a queue; one of work carries up to 100 ids.",
        ("queue",),
        known,
    )
    return [_up("broker", is_up=True), waiting]


def _up(part: str, *, is_up: bool) -> Family:
    return Family.of(f"kuvert_{part}_up", f"Whether the {part} answers.", is_up)


def _late(part: str) -> Families:
    logger.warning("metrics without a part that is slow", extra={"part": part})
    return [_up(part, is_up=False)]


@cache
def _build() -> Family:
    labels = ("version", "python")
    values = (VERSION, platform.python_version())
    return Family("kuvert_build_info", "Which Kuvert this is.", labels, [(values, 1)])


def _gauge(family: Family) -> Metric:
    gauge: Any = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for labels, value in family.samples:
        gauge.add_metric(labels, float(value))
    return gauge  # type: ignore[no-any-return]


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]


def reader_of(app: Flask) -> Reader:
    """Return the reader of an application."""
    found: Reader = app.extensions.setdefault("kuvert_metrics", Reader(app))
    return found
