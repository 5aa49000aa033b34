"""Jobs of the schedule in real processes: entering them by SQL, and what became of their slots."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, make_url, select, update

from core.clock import utcnow
from core.database import Database
from core.ids import new_id
from core.schedules.rows import SCHEDULES
from core.schedules.runs import RUNS
from tests.end_to_end.desk import Desk, installation
from tests.support.brokers import virtual_host
from tests.support.databases import new_database
from tests.support.processes import Child, wait_until
from tests.support.proxy import Proxy

DAY = 86_400
FINISHED = re.compile(
    r"task=tasks\.sendInvoice  task_id=([0-9a-f-]{36})  outcome=succeeded .*  result=(.*)"
)


def add(desk: Desk, name: str, seconds: int, **values: object) -> None:
    """Enter a schedule by SQL alone; beat plans it. What it runs is a batch of an unknown id."""
    row: dict[str, Any] = dict.fromkeys(SCHEDULES.c.keys())
    row |= {"id": new_id(), "name": name, "task": "tasks.sendInvoice", "kind": "interval"}
    row |= {"args": json.dumps([str(new_id()), [str(new_id())]]), "every_seconds": seconds}
    row |= {"offset_seconds": 0, "jitter_seconds": 0, "timezone": "UTC", "is_enabled": True}
    row |= {"catchup": "all", "catchup_window_seconds": DAY, "overlap": "allow"}
    row |= {"max_run_seconds": 3600, "origin": "staff", "is_planned": False, "plan_number": 1}
    row |= {"version": 1, "created_at": utcnow(), "updated_at": utcnow(), **values}
    with desk.kuvert.database.engine.begin() as connection:
        connection.execute(insert(SCHEDULES).values(row))


def runs(desk: Desk) -> list[Row[Any]]:
    """Return the runs of all jobs with their schedule's name and step, oldest slot first."""
    statement = (
        select(SCHEDULES.c.name, SCHEDULES.c.every_seconds, RUNS)
        .join(RUNS, RUNS.c.schedule_id == SCHEDULES.c.id)
        .where(SCHEDULES.c.name.like("job%"))
        .order_by(SCHEDULES.c.name, RUNS.c.slot_at)
    )
    with desk.kuvert.database.single() as connection:
        return list(connection.execute(statement))


def turn_off(desk: Desk) -> None:
    """Let no further slot come."""
    jobs = SCHEDULES.c.name.like("job%")
    with desk.kuvert.database.engine.begin() as connection:
        connection.execute(update(SCHEDULES).where(jobs).values(is_enabled=False))


def finish(desk: Desk) -> None:
    """Let no further slot come and wait until no run is on its way any more."""
    turn_off(desk)
    try:
        wait_until(lambda: not on_their_way(desk), 60, "all runs are over")
    except AssertionError as error:
        raise AssertionError(f"{error}: {on_their_way(desk)}") from None


def on_their_way(desk: Desk) -> list[dict[str, Any]]:
    """Return the runs that have not ended."""
    open_states = {"claimed", "sent", "running"}
    return [run._asdict() for run in runs(desk) if run.state in open_states]


def leads(beat: Child) -> bool:
    return "this beat leads" in beat.own_output()


def really_ran(worker: Child) -> Counter[str]:
    """Count, by task id, the messages whose work the worker did."""
    found = FINISHED.findall(worker.output())
    return Counter(run_id for run_id, result in found if "already taken" not in result)


def missing_slots(found: Sequence[Row[Any]]) -> set[datetime]:
    """Return the slots of the grid, from the first run to the last, that have none."""
    step = timedelta(seconds=found[0].every_seconds)
    count = (found[-1].slot_at - found[0].slot_at) // step
    grid = {found[0].slot_at + number * step for number in range(count + 1)}
    return grid - {run.slot_at for run in found}


def states(own: Desk) -> Counter[str]:
    """Count the runs by their job and state."""
    return Counter(f"{run.name} {run.state}" for run in runs(own))


@contextmanager
def behind_proxy(backend: str, folder: Path) -> Iterator[tuple[Desk, Proxy]]:
    """Yield a desk whose beat and worker reach their database over a way that can be cut."""
    with ExitStack() as stack:
        direct, _ = stack.enter_context(new_database(backend, folder))
        url = make_url(direct)
        assert url.host
        assert url.port
        proxy = stack.enter_context(Proxy(url.host, url.port))
        over = url.set(port=proxy.port).render_as_string(hide_password=False)
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(folder, over, broker_url))
        kuvert.database.close()
        kuvert.database = Database(direct)
        kuvert.start_all("worker", "beat")
        yield Desk(kuvert, backend, broker_url), proxy
