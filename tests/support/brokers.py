"""RabbitMQ for tests: a virtual host of one's own, or a node that may be killed."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.data import missing
from tests.support.processes import free_port, wait_until

HOST, PORT = "127.0.0.1", 5672
REMEDY = "make services"
SERVER_PLACES = "/usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server"
START_SECONDS = 60


@contextmanager
def virtual_host() -> Iterator[str]:
    """Make a virtual host on this machine's RabbitMQ; yields its URL, then drops it."""
    _require_rabbitmq()
    name = f"kuvert_test_{secrets.token_hex(6)}"
    _control("add_vhost", name)
    try:
        _control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield f"amqp://guest:guest@{HOST}:{PORT}/{name}"
    finally:
        _control("delete_vhost", name)


def queue_arguments(broker_url: str) -> dict[str, str]:
    """Return what each queue of a virtual host was declared with, as rabbitmqctl writes it."""
    name = broker_url.rpartition("/")[2]
    listed = _control("list_queues", "-q", "-p", name, "--no-table-headers", "name", "arguments")
    rows = (line.partition("\t") for line in listed.splitlines() if line)
    return {queue: arguments for queue, _, arguments in rows}


def close_connections(broker_url: str) -> None:
    """Let RabbitMQ end every connection to a virtual host."""
    _control("close_all_connections", "-p", broker_url.rpartition("/")[2], "a test")


def _require_rabbitmq() -> None:
    if shutil.which("rabbitmqctl") is None:
        missing("rabbitmqctl", REMEDY)
    if not _listens(PORT):
        missing(f"RabbitMQ on {HOST}:{PORT}", REMEDY)


def _control(*arguments: str) -> str:
    done = subprocess.run(
        ("rabbitmqctl", *arguments), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        missing("rabbitmqctl that may give orders", f"{REMEDY} ({done.stderr.strip()[:200]})")
    return done.stdout


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


class Node:
    """A RabbitMQ node of the test's own; it may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, distribution_port = free_port(), free_port()
        self.url = f"amqp://guest:guest@{HOST}:{self.port}//"
        for name in ("home", "mnesia", "log"):
            (folder / name).mkdir()
        (folder / "plugins").write_text("[].")
        self._environ = {
            **os.environ,
            "HOME": str(folder / "home"),
            "RABBITMQ_NODENAME": f"kuvert-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        with (self.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                (_server(),),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        wait_until(lambda: _listens(self.port), START_SECONDS, "the private RabbitMQ node is up")

    def kill(self) -> None:
        """Kill the node and all that belongs to it, as a power cut would."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._process = None
        wait_until(lambda: not _listens(self.port), 10, "the killed node is gone")
        time.sleep(0.2)  # epmd forgets the name when it sees the closed connection


def _server() -> str:
    """Return the start script itself: the one in the path goes on as another user."""
    found = sorted(Path("/").glob(SERVER_PLACES.lstrip("/")))
    if not found:
        missing("rabbitmq-server", "apt-get install rabbitmq-server")
    return str(found[-1])


@contextmanager
def node(folder: Path) -> Iterator[Node]:
    """Yield a node of its own that has started; ends it afterwards."""
    own = Node(folder)
    own.start()
    try:
        yield own
    finally:
        own.kill()
