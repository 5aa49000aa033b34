"""`manage.py web`, `worker` and `beat`: one process each."""

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from core.cli import INTERRUPTED
from core.logs import set_up
from core.queues import GROUPS, SIGNALS, WORK
from core.setting_values import LOOPBACK
from core.settings import current, is_given_sockets

if TYPE_CHECKING:
    from celery.apps.worker import Worker

    from core.celery_app import KuvertCelery

logger = logging.getLogger(__name__)

QUEUES = (*SIGNALS, *WORK)
EMBEDDED_THREADS = 8
EMBEDDED_CONNECTIONS = 800
"""Below the 1,024 descriptors that a process is usually given."""

EMBEDDED_IDLE_SECONDS = 15

CONCURRENCY = 4
"""Batches at once in one worker: a provider that is slow to answer holds one of them."""


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, metavar="HOST:PORT")
@click.option("--port", help="The port alone, on the host of --bind.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--threads", default=8, show_default=True, help="Threads of each process.")
@click.option("--embedded", is_flag=True, help="One process without gunicorn, as `up` uses it.")
def web(bind: str, port: str | None, workers: int, threads: int, *, embedded: bool) -> None:
    """Serve the API, callbacks, docs and health."""
    current()
    if port is not None:
        bind = f"{bind.rpartition(':')[0]}:{port}"
    if embedded or not is_given_sockets():
        check_bind(bind)
    if embedded:
        _serve_embedded(bind)
        return
    arguments = [
        *("gunicorn", "core.wsgi:app", "--bind", bind, "--worker-class", "gthread"),
        *("--workers", str(workers), "--threads", str(threads), "--graceful-timeout", "25"),
        *("--keep-alive", "15", "--no-control-socket", "--limit-request-field_size", "16384"),
        *("--logger-class", "core.gunicorn_log.Logger", "--config", "python:core.gunicorn_hooks"),
    ]
    os.execv(sys.executable, [sys.executable, "-m", *arguments])  # noqa: S606 - our own arguments


def _serve_embedded(bind: str) -> None:
    """Serve with waitress until the process is told to stop."""
    import waitress

    from core import lookout, metrics
    from core.app import create_app

    set_up(current())
    metrics.begin(current().home)
    app = create_app()
    lookout.begin(app)
    waitress.serve(app, listen=bind, **embedded_options())


def embedded_options() -> dict[str, object]:
    """Return how waitress is to serve; all but the address.

    Callers keep connections, the sandbox alone dozens. With waitress's own limit of 100 and its
    patience of two minutes nobody else would get in.
    """
    from core.app import MAX_BODY

    return {
        "threads": EMBEDDED_THREADS,
        "ident": None,
        # The application refuses what is too large with a problem of its own.
        "max_request_body_size": 2 * MAX_BODY,
        "clear_untrusted_proxy_headers": not current().proxies,
        "connection_limit": EMBEDDED_CONNECTIONS,
        "channel_timeout": EMBEDDED_IDLE_SECONDS,
        "cleanup_interval": 5,
        # select() knows no descriptor above 1023.
        "asyncore_use_poll": True,
    }


def check_bind(bind: str) -> None:
    """Fail in one line when the address is none, is taken or is not allowed."""
    from flask.helpers import get_debug_flag

    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit():
        raise click.ClickException(f"cannot listen on {bind!r}: it is not HOST:PORT")
    if get_debug_flag() and host.strip("[]") not in LOOPBACK:
        raise click.ClickException(
            f"FLASK_DEBUG is on and {bind} can be reached from outside; take FLASK_DEBUG away"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except (OSError, OverflowError) as error:
            raise click.ClickException(f"cannot listen on {bind}: {error}") from error


@click.command()
@click.option("--group", type=click.Choice(list(GROUPS)), help="Queues and processes by name.")
@click.option("--queues", help=f"Comma-separated; all when left out: {', '.join(QUEUES)}.")
@click.option("--concurrency", type=click.IntRange(1, 256), help="Processes or threads.")
@click.option("--pool", type=click.Choice(["prefork", "threads", "solo"]))
def worker(group: str | None, queues: str | None, concurrency: int | None, pool: str | None) -> int:
    """Run the pumps and the tasks."""
    from celery.exceptions import SecurityWarning

    if group:
        if queues:
            raise click.UsageError("--group names the queues; leave --queues out")
        queues = ",".join(GROUPS[group].queues)
        concurrency = concurrency or GROUPS[group].concurrency
    chosen = _chosen(queues)
    settings = current()
    is_folder = settings.broker_url.startswith("filesystem")
    name = f"{chosen.replace(',', '-') if queues else 'all'}-{os.getpid()}@%h"
    if os.geteuid() == 0:
        # Celery's own warning of the same takes six lines.
        warnings.simplefilter("ignore", SecurityWarning)
        set_up(settings)
        logger.warning("running as root; give Kuvert a user of its own")
    arguments = [
        *("--quiet", "worker", "--without-heartbeat", "--without-gossip", "--without-mingle"),
        *("-n", name, "-Q", chosen, "-l", settings.log_level),
        *("-c", str(concurrency or CONCURRENCY)),
        *("-P", pool or ("threads" if is_folder else "prefork")),
    ]
    return _run_worker(arguments)


def _run_worker(arguments: list[str]) -> int:
    """Run Celery's worker and return its exit code, which Celery itself keeps from who calls it."""
    from celery import signals

    codes: list[Callable[[], int]] = []
    caught: list[str] = []

    def note(instance: "Worker", **_: object) -> None:
        codes.append(lambda: instance.exitcode or 0)

    def stopped(sig: str, **_: object) -> None:
        caught.append(sig)

    signals.celeryd_init.connect(note)
    signals.worker_shutting_down.connect(stopped)
    # Its type says that it never returns, which is not so.
    start: Callable[[list[str]], object] = _celery().start
    start(arguments)
    if "SIGINT" in caught:
        return INTERRUPTED
    return max((code() for code in codes), default=1)


def _chosen(queues: str | None) -> str:
    """Check the queues asked for; the order is ours."""
    if queues is None:
        return ",".join(QUEUES)
    asked = [name.strip() for name in queues.split(",") if name.strip()]
    for name in asked:
        if name not in QUEUES:
            message = f"no queue '{name}'; known: {', '.join(QUEUES)}"
            raise click.BadParameter(message, param_hint="--queues")
    return ",".join(name for name in QUEUES if name in asked) or ",".join(QUEUES)


@click.command()
def beat() -> None:
    """Ring the timers, and look for work that is due."""
    celery = _celery()
    celery.start(["--quiet", "beat", "-l", current().log_level, "--pidfile="])


def _celery() -> "KuvertCelery":
    from core.worker import celery

    return celery
