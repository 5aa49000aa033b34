"""The file of a backup: a zip of one NDJSON file per table, and a manifest as its last entry.

A zip ends with its directory, so one that was cut off is no zip any more. Beside the zip's own
checks, the manifest has the SHA-256 of each table's file, and a sum over its rows that does not
depend on their order (core.backups.rows), which the restored tables are compared with. The zip's
comment is a seal over the whole file (core.backups.seal).
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from core.backups.rows import Kinds, Tally, line, values
from core.backups.seal import BLANK, Sealing, is_whole
from core.errors import KuvertError

FORMAT = "kuvert-backup"
FORMAT_VERSION = 2
WITHOUT_SEAL = 1
"""The format before, of files that have no seal."""
MANIFEST = "manifest.json"
LEVEL = 1
"""How hard the zip packs: documents are text or packed already, and time counts."""

CHUNK = 1 << 20
SAY_EVERY = 1000

Progress = Callable[[str, int, int], None]
"""Told the table, rows done and rows in all, every thousand rows and at the end of each table."""


class BackupError(KuvertError):
    """A backup that cannot be used; the detail says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One table in a backup: its columns with their kinds, and what proves it."""

    name: str
    columns: Kinds
    rows: int
    sha256: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `taken_at` is RFC 3339.

    `damaged`: documents whose bytes did not fit their SHA-256 already when it was taken.
    `is_sealed`: whether the file ends with a seal.
    """

    revision: str
    version: str
    engine: str
    taken_at: str
    tables: Sequence[Entry]
    damaged: Sequence[str]
    is_sealed: bool = True

    @property
    def rows(self) -> int:
        """Return how many rows there are in all."""
        return sum(entry.rows for entry in self.tables)


def nothing_said(table: str, done: int, total: int) -> None:
    """Tell nobody how far it is."""


@dataclass(slots=True)
class Documents:
    """Compares documents with the SHA-256 beside them, row by row."""

    damaged: list[str]

    def look(self, row: dict[str, Any]) -> None:
        """Note a document that differs from its hash."""
        if row.get("purged_at") is not None and row["body"] == b"":
            return  # retention has emptied it, and keeps the hash of what was there
        body, digest = row.get("body"), row.get("sha256")
        if body is not None and digest is not None and sha256(body).hexdigest() != digest:
            self.damaged.append(str(row["id"]))


class Writer:
    """Writes a backup into an open file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = Sealing(file)
        self._zip = zipfile.ZipFile(
            self._file, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=LEVEL
        )
        self._zip.comment = BLANK
        self._entries: list[Entry] = []
        self._documents = Documents([])

    def table(
        self,
        name: str,
        columns: Kinds,
        rows: Iterable[Sequence[object]],
        say: Callable[[int], None],
    ) -> None:
        """Write the rows of one table; `say` is told how many there are already."""
        tally, digest = Tally(), sha256()
        is_document = {"body", "sha256"} <= set(columns)
        with self._zip.open(_file_of(name), "w", force_zip64=True) as file:
            held = bytearray()
            for row in rows:
                if is_document:
                    self._documents.look(dict(zip(columns, row, strict=True)))
                written = line(row)
                tally.add(written)
                held += written + b"\n"
                if len(held) >= CHUNK:
                    digest.update(held)
                    file.write(held)
                    held.clear()
                if tally.rows % SAY_EVERY == 0:
                    say(tally.rows)
            digest.update(held)
            file.write(held)
        say(tally.rows)
        self._entries.append(
            Entry(
                name=name,
                columns=dict(columns),
                rows=tally.rows,
                sha256=digest.hexdigest(),
                content=tally.content,
            )
        )

    def abandon(self) -> None:
        """Let go of a file that nobody will read."""
        with suppress(OSError, ValueError):
            # It writes its directory, for which the disk may have no room either.
            self._zip.close()

    def finish(self, *, revision: str, version: str, engine: str, taken_at: str) -> Manifest:
        """Write the manifest and the end of the file."""
        manifest = Manifest(
            revision=revision,
            version=version,
            engine=engine,
            taken_at=taken_at,
            tables=self._entries,
            damaged=self._documents.damaged,
        )
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        told = {name: value for name, value in asdict(manifest).items() if name != "is_sealed"}
        self._zip.writestr(MANIFEST, json.dumps(head | told, indent=1))
        self._zip.close()
        self._file.seal()
        return manifest


class Reader:
    """Reads a backup.

    Raises:
        BackupError: it is none, or was cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._telling():
            self._zip = zipfile.ZipFile(path)
            self.manifest = _manifest(self._zip.read(MANIFEST))

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def rows(self, entry: Entry) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield each row of a table with its line.

        Raises:
            BackupError: the file is damaged, or is not what the manifest says.
        """
        tally, digest = Tally(), sha256()
        with self._telling(), self._zip.open(_file_of(entry.name)) as file:
            for ended in file:
                digest.update(ended)
                written = ended.removesuffix(b"\n")
                tally.add(written)
                yield values(written, entry.columns), written
        found = (tally.rows, digest.hexdigest(), tally.content)
        if found != (entry.rows, entry.sha256, entry.content):
            raise BackupError(f"{self.path} is damaged: {entry.name} is not what its manifest says")

    def verify(self, progress: Progress = nothing_said) -> None:
        """Read everything once and compare it with the manifest, and documents with their hashes.

        Raises:
            BackupError: something differs.
        """
        documents = Documents([])
        for entry in self.manifest.tables:
            is_document = {"body", "sha256"} <= set(entry.columns)
            for number, (row, _) in enumerate(self.rows(entry), 1):
                if is_document:
                    documents.look(row)
                if number % SAY_EVERY == 0:
                    progress(entry.name, number, entry.rows)
            progress(entry.name, entry.rows, entry.rows)
        new = sorted(set(documents.damaged) - set(self.manifest.damaged))
        if new:
            raise BackupError(f"{self.path} is damaged: documents that do not fit: {new[:5]}")
        self._look_at_the_seal()

    def _look_at_the_seal(self) -> None:
        """Refuse a file of which some byte is another; what was wrong in tables is said before."""
        with self._telling():
            if self.manifest.is_sealed and not is_whole(self.path):
                raise BackupError(f"{self.path} is damaged: its bytes do not fit its seal")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say in one line what is wrong with the file."""
        try:
            yield
        except BackupError:
            raise
        except OSError as error:
            raise BackupError(f"cannot read {self.path}: {error.strerror or error}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            # RuntimeError: a header that says encrypted, or packed in a way that nobody knows.
            raise BackupError(
                f"{self.path} is cut off, damaged, or no backup of Kuvert ({error})"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise BackupError(f"{self.path} is no backup that can be read: {error}") from error


def _file_of(table: str) -> str:
    return f"tables/{table}.ndjson"


def _manifest(text: bytes) -> Manifest:
    found = json.loads(text)
    if found.pop("format", None) != FORMAT:
        raise BackupError("the file is no backup of Kuvert")
    form = found.pop("format_version", None)
    if form not in (WITHOUT_SEAL, FORMAT_VERSION):
        raise BackupError("the backup has a format that this version cannot read; use a newer one")
    tables = [Entry(**entry) for entry in found.pop("tables")]
    return Manifest(tables=tables, is_sealed=form != WITHOUT_SEAL, **found)
