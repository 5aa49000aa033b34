"""What this process knows of servers that take what is sent and answer nothing.

While a server is known to be silent everybody is told so at once, or callers would queue behind
those that wait. Each driver's connections find out in their own way: see psycopg_silence and
pymysql_silence.
"""

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 1.5
"""How long an answer may take before the server is asked; then each time so long again."""

ASKING_SECONDS: Final = 2
"""How long the server may take to say that it is there. Both together are below the five seconds
in which a request is answered."""

_PAUSE_SECONDS: Final = 0.5


class Server:
    """What is known of one server: whether it is silent. Then a thread looks after it."""

    def __init__(self) -> None:
        self.is_silent = False
        self._lock = threading.Lock()
        self._jobs: list[Callable[[], None]] = []

    def fell_silent(
        self, is_still: Callable[[], bool], when_back: Callable[[], None] | None = None
    ) -> None:
        """Tell everybody so until it answers; `is_still` tries to reach it.

        `when_back` is called once it answers again.
        """
        with self._lock:
            if when_back is not None:
                self._jobs.append(when_back)
            if self.is_silent:
                return
            self.is_silent = True
        logger.warning("the database is silent; requests are told so at once")
        threading.Thread(target=self._look, args=(is_still,), name="silence", daemon=True).start()

    def _look(self, is_still: Callable[[], bool]) -> None:
        pause = threading.Event()
        while is_still():
            pause.wait(_PAUSE_SECONDS)
        with self._lock:
            self.is_silent = False
            jobs, self._jobs = self._jobs, []
        logger.info("the database answers again")
        for job in jobs:
            job()


_servers: defaultdict[tuple[str, str], Server] = defaultdict(Server)

# A child has none of the threads that look, and may find a lock that nobody will let go of.
os.register_at_fork(after_in_child=_servers.clear)


def server(host: object, port: object) -> Server:
    """Return what is known of a server, by its host and port as they were given."""
    return _servers[str(host), str(port)]
