"""What the timer does: take away what was kept for its time, for some minutes."""

from time import monotonic

from core import pauses
from core.db import reading
from core.errors import ConflictError
from core.retention import kinds, running
from core.retention.kinds import Limits
from core.settings import Settings

SECONDS = 240.0
"""How long one run works; whoever else waits for the same worker waits no longer."""


def run(settings: Settings) -> str:
    """Purge each kind that a setting gives a time; say what was done, or why nothing was.

    What is left goes with the next run. After a restore nothing goes before somebody has resumed
    dispatch: what is here then may not be all there is.
    """
    wanted = [(kind, days) for kind in kinds.registered() if (days := kind.days(settings))]
    if not wanted:
        return "no KUVERT_KEEP_… is set: everything is kept"
    with reading() as connection:
        if pauses.is_paused(connection):
            return f"nothing is removed: {pauses.PAUSED}"
    end = monotonic() + SECONDS
    said = []
    for kind, days in wanted:
        left = end - monotonic()
        if left <= 0:
            said.append(f"{kind.name}: next time")
            continue
        try:
            tally = running.purge(kind, Limits.of(days), seconds=left)
        except ConflictError as error:
            return "; ".join([*said, f"{kind.name}: {error.detail}"])
        said.append(f"{kind.name}: {tally.rows}" + ("" if tally.is_whole else ", more next time"))
    return "; ".join(said)
