"""What an upgrade of the database will do, and whether it may be done now.

Each migration says by its `phase` what becomes of a Kuvert of the version before that still runs:

- `add`: it makes tables, columns that may stay empty, indexes, or allows more than before. The
  older one does not notice.
- `fill`: it writes into rows that are there. The older one goes on, but may wait for a moment, and
  it takes longer the more there is.
- `remove`: it takes away or narrows what the older one uses. Nobody of it may be running.

So a change that an older version would not bear comes in three releases: add, fill, remove.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import living, migrations, version
from core.database import Database
from core.errors import ConflictError
from core.living import Living
from core.migrations import Waiting

PHASES = {
    "add": "safe beside the version before",
    "fill": "safe beside the version before; takes longer the more there is",
    "remove": "the version before must be stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an upgrade would do.

    `older` are processes that work on the database and do not run this code. `size` and `free` are
    bytes: about what the database takes, and what is left where backups go.
    """

    at: str | None
    head: str
    waiting: Sequence[Waiting]
    older: Sequence[Living]
    size: int
    free: int

    @property
    def has_room(self) -> bool:
        """Tell whether a backup fits; it is packed, so most often it takes far less."""
        return self.free > self.size

    @property
    def obstacle(self) -> str | None:
        """Say what keeps the migrations from being run now; None: nothing."""
        removing = [one.revision for one in self.waiting if one.phase == "remove"]
        if not removing or not self.older:
            return None
        names = ", ".join(str(one) for one in self.older)
        return (
            f"{', '.join(removing)} takes away what older versions use: stop {names} first"
            " (one that was killed counts as gone after 30 seconds)"
        )


def plan(database: Database, folder: Path) -> Plan:
    """Say what an upgrade would do; `folder` is where its backup goes.

    Raises:
        KuvertError: a newer Kuvert has been here, or a restore into it did not finish.
    """
    with database.single() as connection:
        at = migrations.known_revision(connection)
        size = database.size(connection)
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    return Plan(
        at=at,
        head=migrations.head(),
        waiting=migrations.waiting(at),
        older=older(database),
        size=size,
        free=shutil.disk_usage(there).free,
    )


def older(database: Database) -> list[Living]:
    """Return who works on the database and does not run this very version."""
    return [one for one in living.processes(database) if one.version != version.running()]


def refuse_unsafe(found: Plan) -> None:
    """Refuse to run migrations under the feet of those who would not bear it.

    Raises:
        ConflictError: and who they are.
    """
    if found.obstacle:
        raise ConflictError(found.obstacle)
