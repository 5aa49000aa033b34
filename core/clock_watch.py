"""Says when this host's clock and the database's part: signatures are judged by this one."""

import logging
import math
from datetime import datetime
from time import monotonic

from core.clock import utcnow

ODD_SECONDS = 10.0
SAY_EVERY_SECONDS = 3600.0

logger = logging.getLogger(__name__)


class ClockWatch:
    """Warns at the first look and once an hour, for as long as the clocks differ."""

    def __init__(self) -> None:
        self._said_at = -math.inf

    def compare(self, theirs: datetime) -> None:
        """Compare the time by the database's clock, just read, with our own."""
        ahead = (theirs - utcnow()).total_seconds()
        if abs(ahead) < ODD_SECONDS or monotonic() - self._said_at < SAY_EVERY_SECONDS:
            return
        self._said_at = monotonic()
        logger.warning(
            "this host's clock and the database's differ; let both keep time by NTP",
            extra={"database_ahead_seconds": round(ahead, 1)},
        )
