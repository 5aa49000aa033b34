"""What each process counts by itself: prometheus-client's metrics over our files."""

from pathlib import Path

from prometheus_client import Counter, Histogram

from core.metrics import store

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TASK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Meters:
    """The metrics of one process.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._files = store.OwnFiles(folder)
        # The client finds our files by itself from here on.
        self.requests = Histogram(
            "kuvert_http_request_duration_seconds",
            "Seconds until a request was answered, by pattern of the path and by status.",
            ("method", "route", "status"),
            registry=None,
            buckets=REQUEST_SECONDS,
        )
        self.tasks = Histogram(
            "kuvert_task_duration_seconds",
            "Seconds that a task took, by how it ended.",
            ("task", "outcome"),
            registry=None,
            buckets=TASK_SECONDS,
        )
        self.attempts = Histogram(
            "kuvert_provider_attempt_duration_seconds",
            "Seconds that a provider took to answer an attempt to deliver, by its outcome.",
            ("provider", "outcome"),
            registry=None,
            buckets=CALL_SECONDS,
        )
        self.pushes = Histogram(
            "kuvert_push_attempt_duration_seconds",
            "Seconds that a subscriber took to answer a push, by its outcome.",
            ("outcome",),
            registry=None,
            buckets=CALL_SECONDS,
        )
        self.without_work = Counter(
            "kuvert_messages_without_work",
            "Messages that named a row which is not there, or not due.",
            ("task",),
            registry=None,
        )
        self.dropped = Counter(
            "kuvert_log_lines_dropped",
            "Log lines that Logstash will not get.",
            registry=None,
        )

    def close(self) -> None:
        """Let go of the files; what is in them stays."""
        self._files.close()
