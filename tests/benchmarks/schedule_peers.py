"""Two other schedulers of Celery over as many entries, in the benchmark's own process."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from celery import Celery
from celery.schedules import schedule

from core.clock import utcnow
from tests.benchmarks.processes import Process, free_port
from tests.benchmarks.stage import Stage

if TYPE_CHECKING:
    from celery.beat import Scheduler

TASK = "peer.nothing"
BURST_SECONDS = 15.0
"""A peer gets no longer than this; what it has not sent by then it has not sent."""

DAY = timedelta(days=1)


class Peer(Protocol):
    """What the benchmark does with a scheduler."""

    scheduler: "Scheduler"

    def edit(self) -> None:
        """Change one entry."""

    def make_due(self) -> None:
        """Make every entry due."""


class DjangoCeleryBeat:
    """django-celery-beat over PostgreSQL."""

    def __init__(self, stage: Stage, count: int) -> None:
        from django_celery_beat.models import IntervalSchedule, PeriodicTask
        from django_celery_beat.schedulers import DatabaseScheduler

        every = IntervalSchedule.objects.create(every=1, period="days")
        PeriodicTask.objects.bulk_create(
            PeriodicTask(name=f"entry {n}", task=TASK, interval=every, last_run_at=utcnow())
            for n in range(count)
        )
        self._tasks: Any = PeriodicTask
        self.scheduler: Scheduler = DatabaseScheduler(app=_celery(stage))

    def edit(self) -> None:
        """Save one entry, as its form does."""
        task = self._tasks.objects.get(name="entry 77")
        task.description += "."
        task.save()

    def make_due(self) -> None:
        """Set the last run of all two days back, and say so."""
        from django_celery_beat.models import PeriodicTasks

        self._tasks.objects.update(last_run_at=utcnow() - 2 * DAY)
        PeriodicTasks.update_changed()


class RedBeat:
    """celery-redbeat over a Redis of its own, without its lock."""

    def __init__(self, stage: Stage, count: int) -> None:
        from redbeat import RedBeatScheduler, RedBeatSchedulerEntry

        port = free_port()
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(stage.folder)]
        redis = Process(command, stage.peer_environ, stage.folder / "redis.log")
        stage.stack.callback(redis.stop)
        redis.wait_for_port(port)
        self._app = _celery(stage)
        url = f"redis://127.0.0.1:{port}/0"
        self._app.conf.update(redbeat_redis_url=url, redbeat_lock_key=None)
        self._entry: Any = RedBeatSchedulerEntry
        self._count = count
        self._save_all(utcnow())
        self.scheduler: Scheduler = RedBeatScheduler(app=self._app, lock_key=None)

    def _save_all(self, last_run_at: object) -> None:
        for number in range(self._count):
            self._save(number, last_run_at)

    def _save(self, number: int, last_run_at: object) -> None:
        entry = self._entry(
            f"entry {number}", TASK, schedule(DAY), last_run_at=last_run_at, app=self._app
        )
        entry.save().reschedule(last_run_at)

    def edit(self) -> None:
        """Save one entry again."""
        self._save(77, utcnow())

    def make_due(self) -> None:
        """Set the last run of all two days back."""
        self._save_all(utcnow() - 2 * DAY)


def _celery(stage: Stage) -> Celery:
    return Celery("peer", broker=stage.peer_environ["PEER_BROKER_URL"], set_as_current=False)


def burst(scheduler: "Scheduler", make_due: Callable[[], None]) -> float:
    """Return messages per second while every entry is due, over at most 15 seconds."""
    sent: list[object] = []
    send = scheduler.apply_async

    def counted(*args: Any, **values: Any) -> object:  # noqa: ANN401
        sent.append(args)
        return send(*args, **values)

    scheduler.apply_async = counted  # type: ignore[method-assign]
    make_due()
    began = time.perf_counter()
    while time.perf_counter() - began < BURST_SECONDS and scheduler.tick() < 1:
        pass
    return len(sent) / (time.perf_counter() - began)
