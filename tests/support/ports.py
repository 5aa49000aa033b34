"""Ports for servers that start later, and ports on which nobody listens."""

import itertools
import os
import socket
from functools import cache

FIRST, SPAN, PARTS = 12_000, 2_500, 8
"""Below what Linux gives to those who ask for any port, and connects from: nobody comes between."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on; this process returns none twice."""
    return next(port for port in _own_ports() if _is_free(port))


@cache
def _own_ports() -> "itertools.chain[int]":
    """Yield the ports of this process: beside it others of the same run take theirs."""
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
    # Another run on this machine has the same parts, and most likely begins elsewhere.
    begin = os.getpid() * 37 % SPAN
    first = FIRST + part * SPAN
    return itertools.chain(range(first + begin, first + SPAN), range(first, first + begin))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
