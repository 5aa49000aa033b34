"""Words to the service manager, as sd_notify(3) of systemd has them.

A unit with `Type=notify` counts as started once its process has said `READY=1`, and
`systemctl status` shows its last `STATUS=`. Without systemd nothing happens here.
"""

import logging
import socket

from core.settings import notify_address

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 90
"""How much longer a start may take each time a process says what it waits for."""

_MICRO = 1_000_000


def ready(status: str) -> None:
    """Say that the process works; said again it only changes the status."""
    _tell("READY=1", f"STATUS={status}")


def waiting(status: str) -> None:
    """Say what the process waits for, and that its start is not to be given up meanwhile."""
    _tell(f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={PATIENCE_SECONDS * _MICRO}", "WATCHDOG=1")


def alive() -> None:
    """Say that the main loop goes round (`WatchdogSec=`)."""
    _tell("WATCHDOG=1")


def stopping() -> None:
    """Say that the process finishes what it has and ends."""
    _tell("STOPPING=1", "STATUS=finishing what is under way")


def _tell(*assignments: str) -> None:
    address = notify_address()
    if address is None:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            # A service manager that does not listen must not hold anybody up.
            link.setblocking(False)
            link.sendto("\n".join(assignments).encode(), address)
    except OSError as error:
        logger.debug("service manager not told", extra={"error": str(error)})
