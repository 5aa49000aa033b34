"""Logging, alike for web, worker, beat and commands: lines on stderr, and to Logstash if asked.

`console` is for people: one line a record, extras as key=value. `json` is for machines: one
object a line. In both, data cannot forge a line, and what looks like a secret is masked. The
objects that Logstash gets are the same as those of `json`; docs/logging.md lists their fields.
"""

import logging
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.logs.forms import ConsoleFormatter, JsonFormatter
from core.settings import Settings

if TYPE_CHECKING:
    from core.logs.shipping import Counts, Shipper
    from core.logs.wire import Wire

__all__ = ["ConsoleFormatter", "JsonFormatter", "counts", "set_up", "stop", "wire_to"]

logger = logging.getLogger(__name__)

_CONSOLE = "kuvert"
_LOGSTASH = "kuvert-logstash"

_QUIET = (
    # What a migration does is said by the command; each process would say it again at its start.
    "alembic",
    # Two lines for each message; core.task_log says in one how it ended.
    "celery.app.trace",
    "celery.worker.strategy",
)


def set_up(settings: Settings) -> None:
    """Send all log records where the settings ask; a second call only renews that.

    At the first call the warnings of the settings are logged. Handlers that others have put
    on the root logger stay.
    """
    root = logging.getLogger()
    is_first = _take(_CONSOLE) is None
    root.addHandler(_console(settings))
    _ship(settings)
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    if is_first:
        for line in settings.warnings:
            logger.warning("doubtful setting", extra={"setting": line})


def counts() -> "Counts | None":
    """Return what became of this process's lines to Logstash; None where it is not set up."""
    shipper = _shipper()
    return shipper.counts() if shipper else None


def stop(**_: object) -> None:
    """Send what waits, for a second at most; for processes that end without Python's own end."""
    shipper = _shipper()
    if shipper is not None:
        shipper.close()


def _console(settings: Settings) -> logging.Handler:
    handler = _Console(sys.stderr)
    handler.set_name(_CONSOLE)
    handler.setFormatter(_form(settings))
    return handler


def _form(settings: Settings) -> logging.Formatter:
    """Choose how lines look: `auto` is for people on a terminal and for machines elsewhere."""
    wanted = settings.log_format
    if wanted == "auto":
        wanted = "console" if sys.stderr.isatty() else "json"
    if wanted == "json":
        return JsonFormatter(settings.environment)
    return ConsoleFormatter(settings.timezone)


class _Console(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr. One that is closed or full is no reason to fail, nor to write there."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as logging has it
        """Leave it: the standard answer prints the arguments, secrets and all."""


def _ship(settings: Settings) -> None:
    """Have lines go to Logstash too; what is under way to the same address goes on."""
    there = _shipper()
    if there is not None and there.url == settings.logstash_url and not there.is_closed:
        return
    if there is not None:
        logging.getLogger().removeHandler(there)
        there.close()
    if settings.logstash_url:
        logging.getLogger().addHandler(_new_shipper(settings, settings.logstash_url))


def _new_shipper(settings: Settings, url: str) -> "Shipper":
    from core.logs.shipping import Shipper

    shipper = Shipper(url, wire_to(url, settings))
    shipper.set_name(_LOGSTASH)
    return shipper


def wire_to(url: str, settings: Settings) -> "Wire":
    """Return the way to the Logstash at `url`, not yet connected."""
    from core.logs.wire import Wire

    parts = urlsplit(url)
    return Wire(parts.hostname or "", parts.port or 0, JsonFormatter(settings.environment))


def _shipper() -> "Shipper | None":
    found = (one for one in _handlers() if one.get_name() == _LOGSTASH)
    return next(found, None)  # type: ignore[return-value]  # the name is ours


def _take(name: str) -> logging.Handler | None:
    """Take our handler `name` off the root logger and return it."""
    found = next((one for one in _handlers() if one.get_name() == name), None)
    if found is not None:
        logging.getLogger().removeHandler(found)
    return found


def _handlers() -> list[logging.Handler]:
    return logging.getLogger().handlers
