"""Counting in several processes: nothing is lost when one ends, and nothing piles up."""

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import metrics
from core.metrics import store

TASK = "tasks.sendInvoice"


@pytest.fixture(autouse=True)
def counting(tmp_path: Path) -> Iterator[None]:
    metrics.begin(tmp_path)
    yield
    metrics.end()


def samples(home: Path) -> dict[str, float]:
    """Each sample by its name and labels, without those of histograms' buckets."""
    return {
        f"{one.name} {' '.join(one.labels.values())}".strip(): one.value
        for metric in store.read(home / metrics.FOLDER)
        for one in metric.samples
        if "le" not in one.labels
    }


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / metrics.FOLDER / store.FORMAT).glob("*.db"))


def in_child(work: Callable[[], object], *, ending: int = signal.SIGKILL) -> None:
    """Do something in a forked process that is then killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), ending)
    os.waitpid(pid, 0)


def test_what_is_told_is_counted_by_its_labels(tmp_path: Path) -> None:
    metrics.request("GET", "/healthz", 200, 0.004)
    metrics.request("GET", "/healthz", 200, 0.2)
    metrics.request("BREW", "/healthz", 405, 0.001)
    metrics.task(TASK, "succeeded", 1.5)
    metrics.lines_dropped(7)

    found = samples(tmp_path)

    assert found["kuvert_http_request_duration_seconds_count GET /healthz 200"] == 2
    assert found["kuvert_http_request_duration_seconds_sum GET /healthz 200"] == pytest.approx(
        0.204
    )
    assert found["kuvert_http_request_duration_seconds_count other /healthz 405"] == 1
    assert found[f"kuvert_task_duration_seconds_count succeeded {TASK}"] == 1
    assert found["kuvert_log_lines_dropped_total"] == 7


def test_a_killed_process_takes_nothing_along_and_leaves_no_files(tmp_path: Path) -> None:
    metrics.task(TASK, "succeeded", 1)

    for _ in range(20):
        in_child(lambda: metrics.task(TASK, "succeeded", 1))

    assert samples(tmp_path)[f"kuvert_task_duration_seconds_count succeeded {TASK}"] == 21
    assert len(files(tmp_path)) == 4  # ours, and of the past: histograms and the counter
    assert samples(tmp_path)[f"kuvert_task_duration_seconds_count succeeded {TASK}"] == 21


def test_a_process_that_lives_on_is_not_taken_for_dead(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        metrics.task(TASK, "failed", 1)
        os.write(writing, b"x")
        signal.pause()
    try:
        os.read(reading, 1)
        while_alive = samples(tmp_path)
        files_while_alive = files(tmp_path)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    assert while_alive[f"kuvert_task_duration_seconds_count failed {TASK}"] == 1
    assert not any(store.PAST in name for name in files_while_alive)
    assert samples(tmp_path)[f"kuvert_task_duration_seconds_count failed {TASK}"] == 1
    assert any(store.PAST in name for name in files(tmp_path))


def test_a_child_of_a_process_that_was_just_counting_does_not_wait_for_its_lock(
    tmp_path: Path,
) -> None:
    metrics.task(TASK, "succeeded", 1)
    meters = metrics._here.meters
    assert meters is not None

    with meters._files.lock:
        in_child(lambda: metrics.task(TASK, "succeeded", 1))

    assert samples(tmp_path)[f"kuvert_task_duration_seconds_count succeeded {TASK}"] == 2


def test_threads_lose_nothing(tmp_path: Path) -> None:
    def count() -> None:
        for _ in range(500):
            metrics.push("taken", 0.1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert samples(tmp_path)["kuvert_push_attempt_duration_seconds_count taken"] == 2000


def test_a_file_that_is_full_grows_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FIRST_BYTES", 4096)

    for number in range(100):
        metrics.attempt(f"provider-{number}", "accepted", 0.1)

    found = samples(tmp_path)
    assert all(
        found[f"kuvert_provider_attempt_duration_seconds_count accepted provider-{number}"] == 1
        for number in range(100)
    )


def test_a_full_disk_ends_the_counting_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
        metrics.task(TASK, "succeeded", 1)
        metrics.task(TASK, "succeeded", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)

    assert [line for line in caplog.messages if "counted" in line] == [
        "nothing is counted any more"
    ]


def test_without_begin_nothing_is_written(tmp_path: Path) -> None:
    metrics.end()

    metrics.task(TASK, "succeeded", 1)

    assert list(tmp_path.iterdir()) == []
