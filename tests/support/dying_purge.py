"""manage.py purge, killed in the middle: `python -m tests.support.dying_purge AFTER purge …`.

It believes that it is later, takes two rows at a time, and is killed (SIGKILL) in the transaction
that comes after so many whole ones, when that has changed rows already.
"""

import os
import signal
import sys

from sqlalchemy import Connection

from core.clock import utcnow
from core.retention import kinds
from core.retention.kinds import Batch
from tests.support.ageing import LATER


def die_after(whole: int) -> None:
    """Have the batch after `whole` others end the process before it commits."""
    from core.retention import auditing, running
    from invoices.services import retention, retention_history

    for module in (auditing, retention, retention_history):
        module.PAGE = 2  # type: ignore[attr-defined]
    one_batch, seen = running._one_batch, []

    def dying(connection: Connection, **given: object) -> Batch:
        batch = one_batch(connection, **given)  # type: ignore[arg-type]
        seen.append(batch)
        if len(seen) > whole:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

    running._one_batch = dying


if __name__ == "__main__":
    vars(kinds)["utcnow"] = lambda: utcnow() + LATER
    die_after(int(sys.argv.pop(1)))
    import manage

    sys.exit(manage.main())
