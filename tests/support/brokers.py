"""RabbitMQ for tests: a virtual host of one's own, or a node that may be killed."""

import os
import re
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
from tests.support.owned import new_name, stale
from tests.support.ports import free_port
from tests.support.processes import wait_until

HOST, PORT = "127.0.0.1", 5672
REMEDY = "make services"
PROGRAM_PLACES = "/usr/lib/rabbitmq/lib/*/sbin"
START_SECONDS = 60

UNUSED = "[V || V <- rabbit_vhost:list_names(), rabbit_connection_tracking:list(V) =:= []]"
NAME = re.compile(r"kuvert_test_\w+")

_made: list[str] = []
"""Virtual hosts to be dropped in the end."""


@contextmanager
def virtual_host() -> Iterator[str]:
    """Make a virtual host on this machine's RabbitMQ; yields its URL.

    It is dropped by `drop_virtual_hosts`: each order to RabbitMQ starts an Erlang machine, so
    one makes a host, and one drops all, with those that killed runs have left.
    """
    require_rabbitmq()
    name = new_name()
    anything = ", ".join(['<<".*">>'] * 3)
    _made.append(name)
    there = _evaluate(
        f'rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:'
        f'set_permissions(<<"guest">>, <<"{name}">>, {anything}, <<"tests">>), {UNUSED}.'
    )
    _made.extend(one for one in stale(NAME.findall(there)) if one not in _made)
    yield f"amqp://guest:guest@{HOST}:{PORT}/{name}"


def drop_virtual_hosts() -> None:
    """Drop what `virtual_host` has made in this process, and what is stale."""
    if _made:
        names = ", ".join(f'<<"{name}">>' for name in _made)
        # Another run may have dropped what is stale meanwhile.
        there = "rabbit_vhost:exists(V)"
        _evaluate(f'[rabbit_vhost:delete(V, <<"tests">>) || V <- [{names}], {there}].')
        _made.clear()


def queue_arguments(broker_url: str) -> dict[str, str]:
    """Return what each queue of a virtual host was declared with, as rabbitmqctl writes it."""
    name = broker_url.rpartition("/")[2]
    listed = _control("list_queues", "-q", "-p", name, "--no-table-headers", "name", "arguments")
    rows = (line.partition("\t") for line in listed.splitlines() if line)
    return {queue: arguments for queue, _, arguments in rows}


def close_connections(broker_url: str) -> None:
    """Let RabbitMQ end every connection to a virtual host."""
    _control("close_all_connections", "-p", broker_url.rpartition("/")[2], "a test")


def _evaluate(erlang: str) -> str:
    return _control("eval", erlang)


def require_rabbitmq() -> None:
    """Skip the test in one line where there is no RabbitMQ."""
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

    def control(self, *arguments: str) -> None:
        """Give an order by rabbitmqctl."""
        done = subprocess.run(
            (_program("rabbitmqctl"), "-q", *arguments),
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Raise the alarm of a disk that is nearly full: nobody may publish within the block."""
        self.control("set_disk_free_limit", "1000000GB")
        try:
            yield
        finally:
            self.control("set_disk_free_limit", "50MB")

    @contextmanager
    def down(self) -> Iterator[None]:
        """Kill the node, and start it again after the block."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        with (self.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                (_program("rabbitmq-server"),),
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


def _program(name: str) -> str:
    """Return the script itself: the one in the path goes on as another user."""
    found = sorted(Path("/").glob(f"{PROGRAM_PLACES.lstrip('/')}/{name}"))
    if not found:
        missing(name, "apt-get install rabbitmq-server")
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
