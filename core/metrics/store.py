"""Files in which each process counts, and how they are added up.

prometheus-client's way of counting over several processes, with three differences. Files belong
to a process by a name of its own and not by its number, so that containers may share the folder.
A process holds a lock for as long as it lives, whoever started it and however it ends: files
whose lock is free are added to those of the past and removed, so they do not pile up and no
counter falls back. And room on the disk is taken before it is written to: a map of a file that
finds the disk full would end the process.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from prometheus_client import Metric, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

FORMAT = "1"
"""Grows when the labels or buckets of a metric change: what older code has left is not read."""

FIRST_BYTES = 128 * 1024
PAST = "past"
_NEEDED_BESIDE_KEY = 64
_LEAST_BYTES = 8


class _File(MmapedDict):
    """A file of numbers whose room is taken on the disk before it is used."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if not os.fstat(descriptor).st_size:
                os.posix_fallocate(descriptor, 0, FIRST_BYTES)
        finally:
            os.close(descriptor)
        super().__init__(str(path))

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + _NEEDED_BESIDE_KEY
        size = self._capacity
        while size < needed:
            size *= 2
        if size > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, size)
        super()._init_value(key)


class OwnFiles:
    """The files of one process.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.lock = threading.Lock()
        self._folder = folder / FORMAT
        self._folder.mkdir(parents=True, exist_ok=True)
        self._name = secrets.token_hex(8)
        with _alone(self._folder):
            # Before there are files, and while nobody looks for those of the dead.
            sign = self._folder / f"{self._name}.lock"
            self._sign = os.open(sign, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            fcntl.flock(self._sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _bury(self._folder)
        self._files: dict[str, _File] = {}
        _Value.files = self
        values.ValueClass = _Value

    def of(self, kind: str) -> _File:
        """Return the file of the metrics of a kind; the lock must be held."""
        if kind not in self._files:
            self._files[kind] = _File(self._folder / f"{kind}_{self._name}.db")
        return self._files[kind]

    def close(self) -> None:
        """Let go of the files, and of the lock as far as no other process shares it."""
        for file in self._files.values():
            file.close()
        os.close(self._sign)


class _Value:
    """One number of a metric: what prometheus-client calls for."""

    _multiprocess = True
    files: ClassVar[OwnFiles]

    def __init__(  # noqa: PLR0917 - as prometheus-client calls it
        self,
        kind: str,
        metric_name: str,
        name: str,
        label_names: Sequence[str],
        label_values: Sequence[str],
        help_text: str,
        **_: object,
    ) -> None:
        self._lock = self.files.lock
        self._key = mmap_key(metric_name, name, list(label_names), list(label_values), help_text)
        with self._lock:
            self._file = self.files.of(kind)
            self._value, _ = self._file.read_value(self._key)

    def inc(self, amount: float) -> None:
        """Add to the number."""
        with self._lock:
            self._value += amount
            self._file.write_value(self._key, self._value, 0.0)

    def get(self) -> float:
        """Return the number."""
        return float(self._value)

    def set_exemplar(self, exemplar: object) -> None:
        """Keep none: files have no room for it."""

    def get_exemplar(self) -> None:
        """Return none."""


def read(folder: Path) -> list[Metric]:
    """Return what all processes of the folder have counted, also those that have ended."""
    here = folder / FORMAT
    if not here.is_dir():
        return []
    with _alone(here):
        _bury(here)
        return list(MultiProcessCollector.merge(_filled(here.glob("*.db"))))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep everybody else from adding up or beginning in a folder."""
    descriptor = os.open(folder / "reader", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bury(folder: Path) -> None:
    """Add what processes have left behind that have ended to what is of the past."""
    for sign in folder.glob("*.lock"):
        if _is_free(sign):
            for path in folder.glob(f"*_{sign.stem}.db"):
                _add_to_past(folder, path)
                path.unlink()
            sign.unlink()


def _is_free(sign: Path) -> bool:
    descriptor = os.open(sign, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _add_to_past(folder: Path, path: Path) -> None:
    kind = path.name.partition("_")[0]
    past: Any = _File(folder / f"{kind}_{PAST}.db")
    try:
        for name in _filled([path]):
            for key, value, _, _ in MmapedDict.read_all_values_from_file(name):
                before, _ = past.read_value(key)
                past.write_value(key, before + value, 0.0)
    finally:
        past.close()


def _filled(paths: "Iterator[Path] | Sequence[Path]") -> list[str]:
    """Return the files that hold something: one that is just being made does not yet."""
    return [str(path) for path in paths if path.stat().st_size > _LEAST_BYTES]
