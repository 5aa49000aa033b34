"""Kills processes of an installation at random and starts them again."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from tests.support.processes import Child, Installation, wait_until

VICTIMS = ("pool child", "worker", "web", "beat")
LONGEST_GAP = 2.5


class Chaos:
    """Strikes with kill -9, in an order and at moments that `seed` decides.

    `hits` names what was killed; a strike that found nothing to kill is not in it. `others` kill
    what is not of the installation, such as its broker, and start it again. `revived` names what
    ended by itself and was started again, as a worker does whose pool is killed while it starts.
    """

    def __init__(
        self,
        kuvert: Installation,
        seed: int,
        victims: Sequence[str] = VICTIMS,
        others: Mapping[str, Callable[[], None]] = MappingProxyType({}),
    ) -> None:
        self.hits: list[str] = []
        self.revived: list[str] = []
        self._lock = threading.Lock()
        self._kuvert = kuvert
        self._dice = random.Random(seed)
        self._others = others
        self._victims = [*victims, *others]
        self._order = self._dice.sample(self._victims, len(self._victims))

    def strike(self, count: int) -> None:
        """Kill until `count` processes were hit; each victim once before any comes again."""
        while len(self.hits) < count:
            time.sleep(self._dice.uniform(0.2, LONGEST_GAP))
            victim = self._order.pop() if self._order else self._dice.choice(self._victims)
            with self._lock:
                is_hit = self._kill(victim)
            if is_hit:
                self.hits.append(victim)

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Start again what ends by itself within the block, as systemd and supervisord do."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(1):
                with self._lock:
                    self._revive()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _revive(self) -> None:
        for name, child in self._kuvert.children.items():
            if not child.is_running:
                child.start()
                self.revived.append(name)

    def _kill(self, victim: str) -> bool:
        """Kill one and see it running again; False when there was nothing to kill."""
        if victim in self._others:
            self._others[victim]()
            return True
        if victim == "pool child":
            return self._kill_pool_child(self._kuvert.children["worker"])
        child = self._kuvert.children[victim]
        was_running = child.kill()
        child.start()
        if victim == "web":
            wait_until(self._kuvert.is_ready, 90, "web is ready again")
        return was_running

    def _kill_pool_child(self, worker: Child) -> bool:
        pids = worker.children()
        if not pids:
            return False
        pid = self._dice.choice(pids)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        wait_until(lambda: pid not in worker.children(), 10, f"pool child {pid} is gone")
        return True
