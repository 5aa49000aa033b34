"""Celery wiring: one app from the settings; tasks run inside the Flask context."""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from celery import Celery, Task, signals
from flask import Flask
from kombu.exceptions import OperationalError

from core import actor, folder_queue, heartbeats, logs, metrics, notify, task_log
from core.broker import queues
from core.database import Database
from core.db import database, db
from core.errors import KuvertError
from core.queues import QUEUE_OF
from core.schedules.running import HEADER, tracked
from core.settings import Settings
from core.smtp import pool as smtp_pool

logger = logging.getLogger(__name__)


class KuvertCelery(Celery):
    """Celery that knows its Flask application: beat has no task around it to open a context."""

    flask_app: Flask


def init_celery(app: Flask, settings: Settings) -> KuvertCelery:
    """Build the Celery app and keep it in `app.extensions`."""

    class ContextTask(Task):  # type: ignore[type-arg]
        """A task that runs inside its own Flask application context."""

        abstract = True

        def __call__(self, *args: object, **kwargs: object) -> object:
            run_id = (self.request.headers or {}).get(HEADER)
            with app.app_context(), actor.acting(f"task {self.name}"):
                if run_id is None:
                    return self.run(*args, **kwargs)
                again = bool((self.request.delivery_info or {}).get("redelivered"))
                return tracked(run_id, lambda: self.run(*args, **kwargs), is_redelivered=again)

    celery = KuvertCelery("kuvert", task_cls=ContextTask)
    celery.flask_app = app
    celery.steps["consumer"].add("core.consumer:Announcing")
    celery.conf.update(_settings(settings))
    celery.set_default()
    app.extensions["celery"] = celery
    _connect_signals(app, settings)
    return celery


def _settings(settings: Settings) -> dict[str, Any]:
    """Return the settings whose reasons stand in docs/operators.md, "The queue"."""
    is_amqp = settings.broker_url.startswith(("amqp", "pyamqp"))
    return {
        # kombu warns of a URL without a host, although a folder has none.
        "broker_url": _plain(settings.broker_url) if is_amqp else "filesystem://localhost//",
        "broker_use_ssl": _tls(settings.broker_url),
        "broker_transport_options": _amqp_options() if is_amqp else _folder_options(settings.home),
        "broker_heartbeat": 30 if is_amqp else 0,
        "broker_connection_timeout": 4,
        "broker_pool_limit": 10,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        "task_queues": queues(settings.queue_type if is_amqp else "classic"),
        "task_routes": {str(task): {"queue": queue} for task, queue in QUEUE_OF.items()},
        "task_default_queue": "jobs",
        "task_default_exchange": "kuvert",
        "task_default_exchange_type": "direct",
        "task_default_routing_key": "jobs",
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_soft_time_limit": 540,
        "task_time_limit": 600,
        "worker_consumer": "core.consumer:CarefulConsumer",
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_soft_shutdown_timeout": 20,
        "worker_send_task_events": False,
        "worker_enable_remote_control": is_amqp,
        "worker_eta_task_limit": 1000,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
        "enable_utc": True,
        "beat_scheduler": "core.schedules.scheduler:DatabaseScheduler",
        "beat_max_loop_interval": 5,
    }


def _plain(broker_url: str) -> str:
    """Return the URL without what stands behind `?`, which kombu takes for something else."""
    return broker_url.partition("?")[0]


def _tls(broker_url: str) -> dict[str, str | None] | None:
    """Return how to encrypt the way to the broker; None for a way that is not encrypted.

    kombu fills in the name: without it, any certificate that some authority signed would do.
    """
    parts = urlsplit(broker_url)
    if parts.scheme != "amqps":
        return None
    return {"server_hostname": None, **dict(parse_qsl(parts.query))}


def _amqp_options() -> dict[str, Any]:
    """Make a publish durable and bounded: confirmed, and never waiting on a blocked broker."""
    return {
        "confirm_publish": True,
        "read_timeout": 5,
        "write_timeout": 5,
        "on_blocked": _refuse_when_blocked,
    }


def _folder_options(home: Path) -> dict[str, Any]:
    """Name the folders of the queue that needs no server (read by `filesystem://` alone).

    Raises:
        KuvertError: they cannot be made.
    """
    folder_queue.use()
    queue = home / "queue"
    try:
        for name in ("messages", "control", "processed"):
            (queue / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KuvertError(
            f"KUVERT_HOME: cannot keep the queue in {queue}: {error.strerror}; give the folder to"
            " Kuvert's user, and room on its disk"
        ) from error
    return {
        "data_folder_in": str(queue / "messages"),
        "data_folder_out": str(queue / "messages"),
        "control_folder": str(queue / "control"),
        "processed_folder": str(queue / "processed"),
        "polling_interval": 0.05,
    }


def _refuse_when_blocked(reason: str) -> None:
    """Fail a publish at once when RabbitMQ says that it takes nothing (memory or disk alarm)."""
    raise OperationalError(f"the broker is blocked: {reason}")


def _connect_signals(app: Flask, settings: Settings) -> None:
    """Wire what Celery asks for: one owner of logging, and no connection shared over a fork."""

    def own_logging(**_: object) -> None:
        logs.set_up(settings)

    def begin_metrics(**_: object) -> None:
        metrics.begin(settings.home)

    def after_fork(**_: object) -> None:
        with app.app_context():
            db.session.remove()
            database().forget_connections()

    def own_database() -> Database:
        with app.app_context():
            return database()

    def say_stopping(**_: object) -> None:
        notify.stopping()

    def say_goodbye(**_: object) -> None:
        smtp_pool.close_all()

    signals.setup_logging.connect(own_logging, weak=False)
    signals.worker_init.connect(begin_metrics, weak=False)
    signals.beat_init.connect(begin_metrics, weak=False)
    signals.worker_process_init.connect(after_fork, weak=False)
    # Children of the pool leave without Python's own end.
    signals.worker_process_shutdown.connect(say_goodbye, weak=False)
    signals.worker_process_shutdown.connect(logs.stop, weak=False)
    # Where workers are threads, or the worker itself, there are no children.
    signals.worker_shutdown.connect(say_goodbye, weak=False)
    task_log.connect_signals()
    heartbeats.connect_signals(own_database)
    signals.worker_shutting_down.connect(say_stopping, weak=False)
    if settings.broker_url.startswith(("amqp", "pyamqp")):
        signals.before_task_publish.connect(_mandatory, weak=False)


def _mandatory(properties: dict[str, Any] | None = None, **_: object) -> None:
    """Make a message that no queue takes an error of the publisher instead of silence."""
    if properties is not None:
        properties["mandatory"] = True
