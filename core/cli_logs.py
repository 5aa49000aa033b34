"""`manage.py logs`: prove the way to Logstash."""

import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING

import click

from core.cli import FAILED, json_option, output
from core.errors import KuvertError
from core.logs import set_up, wire_to
from core.settings import current
from core.visible import visible

if TYPE_CHECKING:
    from core.logs.wire import Wire

TAKE_SECONDS = 3.0
"""How long the receiver may leave a single record lying."""

ANSWER_SECONDS = 0.5
"""How long to listen for what a receiver of log lines would not say."""

Step = dict[str, object]


@click.group()
def logs() -> None:
    """Look after the logs."""


@logs.command()
@json_option
def test(*, as_json: bool) -> int:
    """Send one numbered record to Logstash and say what was seen on the way; exit 1 if it failed.

    TCP tells that the record has arrived, not what became of it: look for its number there.
    """
    settings = current()
    set_up(settings)
    if not settings.logstash_url:
        raise KuvertError("KUVERT_LOGSTASH_URL is not set; set for example tcp://logstash:5000")
    number = secrets.token_hex(4)
    steps = list(_steps(wire_to(settings.logstash_url, settings), number))
    output(steps, as_json)
    if not all(step["ok"] for step in steps):
        return FAILED
    click.echo(
        f"Look for test_number {number} in Logstash: TCP does not say what it made of it.", err=True
    )
    return 0


def _steps(wire: "Wire", number: str) -> Iterator[Step]:
    """Yield what was seen, step by step; the last one says what failed and what to do."""
    steps = (_resolve, _connect, _send, _listen)
    for step in steps:
        name = step.__name__.removeprefix("_")
        try:
            yield {"step": name, "ok": True, "seen": step(wire, number)}
        except (OSError, ValueError, _UnlikelyError) as error:
            seen = f"{_reason(error)}; {_remedy(error)}"
            yield {"step": name, "ok": False, "seen": visible(seen)}
            return


def _resolve(wire: "Wire", number: str) -> str:  # noqa: ARG001 - steps are alike
    began = monotonic()
    found = socket.getaddrinfo(wire.host, wire.port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(one[4][0]) for one in found)
    return f"{wire.host} is {', '.join(addresses)} ({_ms(began)})"


def _connect(wire: "Wire", number: str) -> str:  # noqa: ARG001 - steps are alike
    began = monotonic()
    wire.open()
    return f"connected to {wire.peer} ({_ms(began)})"


def _send(wire: "Wire", number: str) -> str:
    """Send the record and wait until the other side's kernel has it."""
    fields = {"msg": "a test of the way to Logstash", "name": "kuvert.test", "levelname": "INFO"}
    record = logging.makeLogRecord({**fields, "levelno": logging.INFO, "test_number": number})
    line = wire.makePickle(record)
    began = monotonic()
    wire.write([line])
    pause = threading.Event()
    while waiting := wire.settle():
        if monotonic() - began > TAKE_SECONDS:
            raise TimeoutError(f"{waiting} of {len(line)} bytes were not taken")
        pause.wait(0.005)
    return f"{len(line)} bytes taken, test_number {number} ({_ms(began)})"


def _listen(wire: "Wire", number: str) -> str:  # noqa: ARG001 - steps are alike
    """See that the other side neither hangs up nor talks, as something else would."""
    said = wire.listen(ANSWER_SECONDS)
    wire.hang_up()
    if said:
        raise _UnlikelyError(f"it answers {said[:40]!r}")
    return "the connection stays open and nothing is said, as it should be"


class _UnlikelyError(Exception):
    """The other side does not behave like a receiver of log lines."""


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _remedy(error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "check the host in KUVERT_LOGSTASH_URL and this machine's DNS"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there: start Logstash with a tcp input, or mend the port"
    if isinstance(error, ConnectionResetError | BrokenPipeError | _UnlikelyError):
        return "that is no tcp input with codec json_lines (one with TLS, perhaps); mend the port"
    if isinstance(error, TimeoutError):
        return "a firewall drops it, or the receiver hangs: look at it and at what is between"
    return "see that this machine has a route to it"


def _ms(began: float) -> str:
    return f"{(monotonic() - began) * 1000:.1f} ms"
