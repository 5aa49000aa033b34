"""Sets up logging, alike for web, worker, beat and commands: lines on stderr.

`console` is for people: one line a record, extras as key=value. `json` is for machines: one
object a line. In both, data cannot forge a line, and what looks like a secret is masked.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from core.clock import rfc3339
from core.redaction import MASK, is_telling, redact
from core.settings import Settings
from core.visible import visible

logger = logging.getLogger(__name__)

_HANDLER = "kuvert"
_DEEPEST = 6
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_OWN_FIELDS = frozenset({"@timestamp", "level", "logger", "message", "exception", "stack"})
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')


def set_up(settings: Settings) -> None:
    """Send all log records to stderr as the settings ask; a second call only renews that.

    At the first call the warnings of the settings are logged. Handlers that others have put
    on the root logger stay.
    """
    formatter: logging.Formatter = (
        JsonFormatter() if settings.log_format == "json" else ConsoleFormatter(settings.timezone)
    )
    root = logging.getLogger()
    old = [handler for handler in root.handlers if handler.get_name() == _HANDLER]
    for handler in old:
        root.removeHandler(handler)
    root.addHandler(_handler(formatter))
    root.setLevel(settings.log_level)
    # What a migration does is said by the command; each process would say it again at its start.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    if not old:
        for line in settings.warnings:
            logger.warning("doubtful setting", extra={"setting": line})


def _handler(formatter: logging.Formatter) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(_HANDLER)
    handler.setFormatter(formatter)
    return handler


class ConsoleFormatter(logging.Formatter):
    """Writes a record for people: time, level, logger, message, extras.

    A traceback follows on lines that are set in, so that no line of it can pass for a record.
    """

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, and its traceback as lines that are set in."""
        moment = datetime.fromtimestamp(record.created, self._zone)
        head = f"{moment:%Y-%m-%d %H:%M:%S} {record.levelname:<7} {record.name}"
        pairs = [f"{visible(key)}={_quoted(value)}" for key, value in _extras(record).items()]
        line = "  ".join([head, visible(redact(record.getMessage())), *pairs])
        return "\n".join([line, *_set_in(self, record)])


class JsonFormatter(logging.Formatter):
    """Writes a record for machines: one JSON object, in ASCII whatever the locale is."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        fields: dict[str, object] = {
            "@timestamp": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for key, value in _extras(record).items():
            fields[f"{key}_" if key in _OWN_FIELDS else key] = value
        fields.update(_traces(self, record))
        return json.dumps(fields)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {key: _plain(value, key) for key, value in given.items()}


def _plain(value: object, key: str, depth: int = 0) -> object:
    """Return `value` as JSON can hold it, without secrets."""
    if value is None or isinstance(value, bool):
        return value
    if is_telling(key):
        return MASK
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _plain_members(value, key, depth + 1) if depth < _DEEPEST else redact(str(value))


def _plain_members(value: object, key: str, depth: int) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(one, str(name), depth) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, key, depth) for one in value]
    return redact(str(value))


def _traces(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    traces = {}
    if record.exc_info:
        traces["exception"] = redact(formatter.formatException(record.exc_info))
    if record.stack_info:
        traces["stack"] = redact(record.stack_info)
    return traces


def _set_in(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    traces = _traces(formatter, record).values()
    return [f"    {visible(line)}" for trace in traces for line in trace.split("\n")]


def _quoted(value: object) -> str:
    if type(value) in {int, float}:
        return str(value)  # as JSON writes it: what is not finite has become text
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and _NEEDS_QUOTES.search(text):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return visible(text)
