"""Desks whose broker and database are their own, to be crashed without harm to other tests."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.desk import Desk, installation
from tests.support.brokers import Node, node
from tests.support.cluster import Cluster, cluster
from tests.support.databases import new_database


@dataclass
class Stage:
    """A desk on PostgreSQL with web, a worker and beat, and the two servers it has to itself."""

    desk: Desk
    broker: Node
    server: Cluster

    def crashes(self, broker_seconds: float = 1) -> Mapping[str, Callable[[], None]]:
        """Return what crashes broker and database and starts them again (see `Chaos`).

        The broker stays away for `broker_seconds` and its start.
        """
        return {
            "broker": lambda: self.crash_broker(broker_seconds),
            "database": self.crash_database,
        }

    def crash_broker(self, seconds: float) -> None:
        """Kill the broker, and start it again after so many seconds."""
        with self.broker.down():
            time.sleep(seconds)

    def crash_database(self) -> None:
        """Stop the database as a crash would, and start it again."""
        self.server.crash()
        self.server.start()


@contextmanager
def crashable(folder: Path) -> Iterator[Stage]:
    """Yield a desk that works; ends it and its servers."""
    with ExitStack() as stack:
        (folder / "node").mkdir()
        broker = stack.enter_context(node(folder / "node"))
        # Its own also because on the one that all tests share others may take every connection.
        server = stack.enter_context(cluster())
        url, _ = stack.enter_context(new_database("postgresql", folder, server.server))
        kuvert = stack.enter_context(installation(folder, url, broker.url))
        kuvert.start_all("web", "worker", "beat")
        yield Stage(Desk(kuvert, "postgresql", broker.url), broker, server)
