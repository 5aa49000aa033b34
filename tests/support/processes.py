"""An installation of Kuvert in real processes, each in a group of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from core.database import Database
from tests.support.command import run
from tests.support.data import ROOT
from tests.support.ports import free_port

MANAGE = (sys.executable, str(ROOT / "manage.py"))
CELERY = (sys.executable, "-m", "celery", "-A", "core.worker:celery")
READY_SECONDS = 120
LAST_LINES = 60

Command = Sequence[str]


def wait_until(is_true: Callable[[], object], seconds: float, what: str) -> None:
    """Look every 50 ms until `is_true`; fail after `seconds`, saying `what` did not happen."""
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class Child:
    """One process, leader of a group; what it says goes to a file."""

    def __init__(self, command: Command, environ: Mapping[str, str], log: Path) -> None:
        self.command = command
        self._environ = environ
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, again if it has ended."""
        self._began_at = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self._environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def is_running(self) -> bool:
        """Whether the leader of the group runs."""
        return self.process.poll() is None

    def output(self) -> str:
        """Return all that it has said, over all its starts."""
        return self._log.read_text(errors="replace")

    def own_output(self) -> str:
        """Return what it has said since it was started last."""
        return self._log.read_bytes()[self._began_at :].decode(errors="replace")

    def last_words(self) -> str:
        """Return the end of its output, for a message."""
        return "\n".join(self.output().splitlines()[-LAST_LINES:])

    def children(self) -> list[int]:
        """Return the processes that the leader has started and that run."""
        stats = (_stat(int(entry.name)) for entry in Path("/proc").glob("[0-9]*"))
        parent = self.process.pid
        return sorted(pid for pid, state, ppid in filter(None, stats) if ppid == parent != pid)

    def stop(self, seconds: float = 30) -> int:
        """Send SIGTERM to the leader and return its exit code; fail when it takes longer."""
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end within {seconds} s:\n{self.last_words()}") from None

    def kill(self) -> bool:
        """Kill the whole group at once; False when it had ended before."""
        was_running = self.is_running
        if was_running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        return was_running


def _stat(pid: int) -> tuple[int, str, int] | None:
    """Return pid, state and parent of a process that runs; None for one that does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ppid = text.rpartition(")")[2].split()[:2]
    return None if state == "Z" else (pid, state, int(ppid))


class Installation:
    """Web, workers and beat over one database and one broker."""

    def __init__(
        self, folder: Path, database_url: str, broker_url: str | None, **more: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.children: dict[str, Child] = {}
        self.database = Database(database_url)
        self._environ = _plain_environ() | {
            "KUVERT_HOME": str(folder),
            "KUVERT_DATABASE_URL": database_url,
            "KUVERT_SECRET_KEY": "a-key-for-tests-and-nothing-else-0123",
            "KUVERT_ALLOW_PRIVATE_TARGETS": "on",
            "KUVERT_LEASE_SECONDS": "4",
            "KUVERT_WATCH_SECONDS": "1",
            # Tests look into the output as people do.
            "KUVERT_LOG_FORMAT": "console",
            **({"KUVERT_BROKER_URL": broker_url} if broker_url else {}),
            **more,
        }

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of what is started here."""
        return self._environ

    def give(self, **more: str) -> None:
        """Give these settings to what is started from now on."""
        self._environ |= more

    def start(self, name: str, command: Command | None = None) -> Child:
        """Start a process and call it `name`; without a command that of manage.py."""
        command = command or (*MANAGE, *self._arguments(name))
        child = Child(command, self._environ, self.folder / f"{name}.log")
        self.children[name] = child
        return child

    def _arguments(self, name: str) -> Sequence[str]:
        if name == "web":
            return ("web", "--bind", f"127.0.0.1:{self.port}", "--workers", "1")
        return (name.rstrip("0123456789"),)

    def start_all(self, *names: str) -> None:
        """Start these and wait until they work."""
        for name in names:
            self.start(name)
        self.wait_until_ready(*names)

    def wait_until_ready(self, *names: str) -> None:
        """Wait until web says that it is ready and workers have said so."""
        for name in names:
            child = self.children[name]
            is_ready = self.is_ready if name == "web" else _has_begun(child)
            try:
                wait_until(is_ready, READY_SECONDS, f"{name} is ready")
            except AssertionError as error:
                said = f"{self.readiness()}\n" if name == "web" else ""
                raise AssertionError(f"{error}\n{said}{child.last_words()}") from None

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return self.readiness().startswith("200")

    def readiness(self) -> str:
        """Return status and body of /readyz; why not where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return f"{answer.status} {answer.read().decode()}"
        except (OSError, http.client.HTTPException) as error:
            return str(error)
        finally:
            connection.close()

    def furnish(self, **wanted: object) -> dict[str, str]:
        """Set up providers and sources (see tests.support.furnish); returns keys by source."""
        done = run([json.dumps(wanted)], self._environ, module="tests.support.furnish")
        assert done.returncode == 0, done.stderr
        keys: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return keys

    def fill(self, texts: Sequence[str]) -> None:
        """Put something of everything in, with `texts` in every field (tests.support.full_desk)."""
        said = json.dumps(texts)
        done = run([], self._environ, module="tests.support.full_desk", stdin=said)
        assert done.returncode == 0, done.stderr

    def manage(
        self, *arguments: str, program: Command | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py, or of `program`, which stands in for it, to its end."""
        if program is None:
            return run(arguments, self._environ)
        return subprocess.run(
            (*program, *arguments),
            env=self._environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def last_words(self) -> str:
        """Return the end of everybody's output, for a message."""
        return "\n".join(
            f"---- {name}\n{child.last_words()}" for name, child in self.children.items()
        )

    def close(self) -> None:
        """Kill everything that still runs; how it ends when it is asked to has tests of its own."""
        for child in self.children.values():
            child.kill()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _has_begun(child: Child) -> Callable[[], bool]:
    """Return what tells that a worker or beat has said that it works."""
    return lambda: (
        child.is_running
        and any(words in child.own_output() for words in ("ready.", "beat: Starting"))
    )


def _plain_environ() -> dict[str, str]:
    """Return the environment of this process without any setting of Kuvert."""
    return {name: text for name, text in os.environ.items() if not name.startswith("KUVERT_")}
