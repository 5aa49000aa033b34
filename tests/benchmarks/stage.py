"""Where the benchmarks play: databases, a virtual host and processes of their own."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from core.webhooks import Secret
from tests.benchmarks.processes import ROOT, Process, free_port

POSTGRES = "127.0.0.1:5432"
POSTGRES_USER = "root"
RABBITMQ = "guest:guest@127.0.0.1:5672"
PROCESSES = 2
"""Web processes, ours and the peer's alike, and those of the bare loop."""

WORKERS = 4
"""Worker processes, ours (where it is the default) and the peer's alike."""

THREADS = 8


@dataclass(frozen=True)
class Stage:
    """What every benchmark gets. `environ` is Kuvert's, `peer_environ` the Django peer's."""

    folder: Path
    database: str
    environ: Mapping[str, str]
    peer_environ: Mapping[str, str]
    callback_secret: Secret
    provider_port: int
    stack: ExitStack

    def start(
        self, name: str, arguments: list[str], environ: Mapping[str, str] | None = None
    ) -> Process:
        """Start `python …`; it is stopped with the stage."""
        command = [sys.executable, *arguments]
        process = Process(command, environ or self.environ, self.folder / f"{name}.log")
        self.stack.callback(process.stop)
        return process

    @contextmanager
    def part(self) -> Iterator["Stage"]:
        """Yield the same stage; what is started on it ends with the block."""
        with ExitStack() as stack:
            yield replace(self, stack=stack)

    def start_worker(self) -> Process:
        """Start Kuvert's worker for all queues."""
        arguments = ["manage.py", "worker", "--concurrency", str(WORKERS)]
        process = self.start("worker", arguments)
        process.wait_for_line("ready.")
        return process

    def start_web(self, environ: Mapping[str, str] | None = None) -> tuple[Process, int]:
        """Start Kuvert's web processes; returns them and their port."""
        port = free_port()
        arguments = ["manage.py", "web", "--bind", f"127.0.0.1:{port}"]
        arguments += ["--workers", str(PROCESSES), "--threads", str(THREADS)]
        process = self.start(f"web-{port}", arguments, environ)
        process.wait_for_port(port)
        return process, port

    def start_peer_web(self) -> int:
        """Start the peer's web processes, as many as ours; returns their port."""
        port = free_port()
        arguments = ["-m", "gunicorn", "tests.benchmarks.peers.wsgi:application"]
        arguments += ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"]
        arguments += ["--workers", str(PROCESSES), "--threads", str(THREADS)]
        # Ours writes a line for each request too.
        arguments += ["--access-logfile", "-", "--keep-alive", "15", "--no-control-socket"]
        process = self.start(f"peer-web-{port}", arguments, self.peer_environ)
        process.wait_for_port(port)
        return port


@contextmanager
def stage() -> Iterator[Stage]:
    """Make everything, and take all of it away again."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kuvert-bench-")))
        own = f"kuvert_bench_{secrets.token_hex(4)}"
        databases = [stack.enter_context(new_database(name)) for name in (own, f"{own}_peer")]
        brokers = [stack.enter_context(_vhost(name)) for name in (own, f"{own}_peer")]
        secret = Secret(secrets.token_bytes(32))
        environ = _environ(folder, databases[0], brokers[0], secret)
        peer_environ = _peer_environ(databases[1], brokers[1], secret)
        provider_port = _start_provider(stack, folder)
        peer_environ["PEER_PROVIDER_URL"] = f"http://127.0.0.1:{provider_port}/now"
        os.environ.update(environ)
        os.environ.update(peer_environ)
        migrate = [sys.executable, "manage.py", "db", "upgrade"]
        subprocess.run(migrate, cwd=ROOT, env=environ, check=True, capture_output=True)
        yield Stage(folder, databases[0], environ, peer_environ, secret, provider_port, stack)


def _start_provider(stack: ExitStack, folder: Path) -> int:
    log = folder / "provider.log"
    command = [sys.executable, "-m", "tests.benchmarks.provider"]
    process = Process(command, os.environ, log)
    stack.callback(process.stop)
    process.wait_for_line("\n")
    return int(log.read_text("ascii"))


def _environ(folder: Path, database: str, broker: str, secret: Secret) -> dict[str, str]:
    return {
        **os.environ,
        "KUVERT_HOME": str(folder / "home"),
        "KUVERT_DATABASE_URL": f"postgresql+psycopg://{POSTGRES_USER}@{POSTGRES}/{database}",
        "KUVERT_BROKER_URL": broker,
        "KUVERT_SECRET_KEY": secrets.token_hex(32),
        "KUVERT_ALLOW_PRIVATE_TARGETS": "on",
        "BENCH_CALLBACK_SECRET": secret.text,
    }


def _peer_environ(database: str, broker: str, secret: Secret) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("KUVERT_")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.peers.settings",
        "PEER_DATABASE": database,
        "PEER_BROKER_URL": broker,
        "PEER_CALLBACK_SECRET": secret.text,
    }


@contextmanager
def new_database(name: str) -> Iterator[str]:
    """Make a database on the server; yields its name, and drops it."""
    with connect("postgres") as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield name
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def connect(database: str) -> psycopg.Connection:
    """Open a connection on which each statement is its own transaction."""
    url = f"postgresql://{POSTGRES_USER}@{POSTGRES}/{database}"
    return psycopg.connect(url, autocommit=True)


@contextmanager
def _vhost(name: str) -> Iterator[str]:
    """Make a virtual host of the broker; yields its URL, and deletes it."""
    _rabbitmqctl("add_vhost", name)
    try:
        _rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield f"amqp://{RABBITMQ}/{name}"
    finally:
        _rabbitmqctl("delete_vhost", name)


def _rabbitmqctl(*arguments: str) -> None:
    subprocess.run(["rabbitmqctl", "-q", *arguments], check=True, capture_output=True)
