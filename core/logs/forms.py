"""How a log line looks: for people, or for machines."""

import json
import logging
import os
import re
import socket
from datetime import UTC, datetime, tzinfo

from core.clock import rfc3339
from core.logs import values
from core.visible import visible

APPLICATION = "kuvert"
"""The `type` of every object, by which Logstash tells applications apart."""

_OWN = frozenset(
    {
        *("@timestamp", "@version", "type", "tags", "host", "pid", "level", "logger_name"),
        *("message", "stack_trace", "stack"),
    }
)
_OBJECTS = frozenset(
    {
        *("agent", "as", "client", "cloud", "container", "data_stream", "destination", "device"),
        *("dll", "dns", "ecs", "email", "error", "event", "faas", "file", "geo", "group", "hash"),
        *("http", "interface", "log", "network", "observer", "orchestrator", "organization", "os"),
        *("package", "process", "registry", "related", "risk", "rule", "server", "service"),
        *("source", "span", "threat", "tls", "trace", "transaction", "url", "user", "user_agent"),
        *("vlan", "volume", "vulnerability", "x509"),
    }
)
"""Objects in the Elastic Common Schema: an index that follows it refuses a text in their place."""

_NAMED = {"error": "error_message"}
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')


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
        head = f"{moment:%Y-%m-%d %H:%M:%S} {record.levelname:<7} {values.name(record)}"
        pairs = [f"{key}={_quoted(value)}" for key, value in values.fields(record).items()]
        line = "  ".join([head, values.message(record), *pairs])
        traces = values.traces(self, record).values()
        return "\n    ".join([line, *traces])


class JsonFormatter(logging.Formatter):
    """Writes a record for machines: one JSON object, in ASCII whatever the locale is.

    `environment` is the one tag. Two handlers that write the same record share the work.
    """

    def __init__(self, environment: str) -> None:
        super().__init__()
        host = {"name": values.clean(socket.gethostname())}
        self._always = {"@version": "1", "type": APPLICATION, "host": host}
        self._tags = [values.clean(environment)]

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: str | None = vars(record).get(values.LINE)
        if line is None:
            line = vars(record)[values.LINE] = json.dumps(self._event(record))
        return line

    def _event(self, record: logging.LogRecord) -> dict[str, object]:
        event: dict[str, object] = {
            "@timestamp": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            **self._always,
            "tags": self._tags,
            "pid": os.getpid(),
            "level": record.levelname,
            "logger_name": values.name(record),
            "message": values.message(record),
        }
        for key, value in values.fields(record).items():
            event[_free_name(key, value)] = value
        event.update(values.traces(self, record))
        return event


def _free_name(key: str, value: object) -> str:
    """Return the name of an extra: one that hides no field of ours and that no index refuses."""
    if key in _NAMED:
        return _NAMED[key]
    if key in _OWN or (key in _OBJECTS and not isinstance(value, dict)):
        return f"{key}_"
    return key


def _quoted(value: object) -> str:
    if type(value) in {int, float}:
        return str(value)  # as JSON writes it: what is not finite has become text
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and _NEEDS_QUOTES.search(text):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return visible(text)
