"""Backups that cannot be used: the database stays as it was (L11)."""

import json
import random
import re
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from core.backups import restoring, taking
from core.backups.archive import BackupError, Reader
from core.backups.rows import Tally
from core.database import Database
from core.database.rebuilding import Rebuild
from tests.core.backups.conftest import WISH, contents, fresh, restore


def changed(source: Path, target: Path, **members: bytes | None) -> Path:
    """Copy a zip with other contents in some members; None leaves one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            key = Path(name).stem
            data = members.get(key, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


def manifest_with(source: Path, **values: object) -> bytes:
    with zipfile.ZipFile(source) as old:
        return json.dumps(json.loads(old.read("manifest.json")) | values).encode()


def look_at(path: Path) -> None:
    reader = Reader(path)
    try:
        restoring.check(reader)
    finally:
        reader.close()


def refused(path: Path) -> str:
    with pytest.raises(BackupError) as caught:
        look_at(path)
    assert "\n" not in caught.value.detail
    return caught.value.detail


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_one_that_was_cut_off_is_refused(share: float, backup_file: Path, tmp_path: Path) -> None:
    data = backup_file.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(data[: int(len(data) * share)])

    assert "cut off, damaged, or no backup" in refused(cut)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_changed_byte_is_found(share: float, backup_file: Path, tmp_path: Path) -> None:
    data = backup_file.read_bytes()

    assert is_found(int(len(data) * share), data, tmp_path)


def test_a_changed_byte_is_found_where_nothing_reads_it(backup_file: Path, tmp_path: Path) -> None:
    """The time in a header, the attributes in the directory, and the seal itself."""
    data = backup_file.read_bytes()
    deaf = [data.index(b"PK\x03\x04") + 10, data.rindex(b"PK\x01\x02") + 38]

    assert [place for place in [*deaf, len(data) - 1] if not is_found(place, data, tmp_path)] == []


@pytest.mark.storm
def test_each_byte_counts(backup_file: Path, tmp_path: Path) -> None:
    data = backup_file.read_bytes()
    headers = data.index(b"PK\x01\x02")
    any_place = random.Random(7)
    places = any_place.sample(range(headers), 250)
    places += any_place.sample(range(headers, len(data)), 250)

    flips = [(place, 1 << any_place.randrange(8)) for place in places]
    assert [one for one in flips if not is_found(one[0], data, tmp_path, one[1])] == []


def is_found(place: int, data: bytes, folder: Path, flip: int = 0x20) -> bool:
    """Whether a backup is refused by its name when one byte in it is another."""
    bad = folder / "bad.zip"
    bad.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])
    return str(bad) in refused(bad)


def test_one_of_the_format_before_has_no_seal_and_is_taken(
    backup_file: Path, tmp_path: Path
) -> None:
    before = manifest_with(backup_file, format_version=1)

    look_at(changed(backup_file, tmp_path / "before.zip", manifest=before))


def test_a_file_whose_seal_is_gone_is_refused(backup_file: Path, tmp_path: Path) -> None:
    assert "do not fit its seal" in refused(changed(backup_file, tmp_path / "bad.zip"))


def test_a_row_less_is_found(backup_file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(backup_file) as old:
        lines = old.read("tables/invoices.ndjson").splitlines(keepends=True)
    bad = changed(backup_file, tmp_path / "bad.zip", invoices=b"".join(lines[1:]))

    assert "invoices is not what its manifest says" in refused(bad)


def test_a_changed_document_is_found(backup_file: Path, tmp_path: Path) -> None:
    """Even by somebody who has mended the manifest."""
    with zipfile.ZipFile(backup_file) as old:
        text = old.read("tables/documents.ndjson")
    other = re.sub(rb"Goods as ordered", b"Goods as 0rdered", text, count=1)
    half = changed(backup_file, tmp_path / "half.zip", documents=other)
    reader = Reader(half)
    [entry] = [one for one in reader.manifest.tables if one.name == "documents"]
    reader.close()
    tally = Tally()
    for line in other.splitlines():
        tally.add(line)
    tables = json.loads(manifest_with(backup_file))["tables"]
    for one in tables:
        if one["name"] == entry.name:
            one |= {"sha256": sha256(other).hexdigest(), "content": tally.content}
    bad = changed(half, tmp_path / "bad.zip", manifest=manifest_with(backup_file, tables=tables))

    assert "documents that do not fit" in refused(bad)


def test_what_is_no_backup_is_refused(tmp_path: Path, backup_file: Path) -> None:
    (tmp_path / "text.zip").write_text("hello")
    assert "no backup" in refused(tmp_path / "text.zip")
    assert "cannot read" in refused(tmp_path / "nowhere.zip")
    assert "cannot read" in refused(tmp_path)
    bad = changed(backup_file, tmp_path / "a.zip", manifest=b"[1]")
    assert "no backup that can be read" in refused(bad)
    bad = changed(backup_file, tmp_path / "b.zip", manifest=None)
    assert "no backup that can be read" in refused(bad)
    bad = changed(backup_file, tmp_path / "c.zip", leases=None)
    assert "no backup that can be read" in refused(bad)
    other = manifest_with(backup_file, format_version=9)
    assert "newer" in refused(changed(backup_file, tmp_path / "d.zip", manifest=other))


def test_one_of_a_newer_schema_is_refused_with_both_revisions(
    backup_file: Path, tmp_path: Path
) -> None:
    newer = manifest_with(backup_file, revision="9999")

    said = refused(changed(backup_file, tmp_path / "newer.zip", manifest=newer))

    assert re.search(r"the backup is at 9999, the code knows \d{4}", said)


@pytest.mark.parametrize(
    "engine_name", ["sqlite", pytest.param("postgresql", marks=pytest.mark.storm)]
)
def test_an_error_in_the_middle_leaves_everything_as_it_was(
    engine_name: str, backup_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh(engine_name, tmp_path / "a") as database:
        restore(database, backup_file)
        before = contents(taking.take(database, tmp_path / "before.zip"))
        break_at(monkeypatch, "deliveries")

        reader = Reader(backup_file)
        with pytest.raises(BackupError, match="here it ends"):
            restoring.restore(database, reader, WISH)
        reader.close()

        assert contents(taking.take(database, tmp_path / "after.zip")) == before


def test_on_mysql_it_says_that_it_is_unfinished_and_what_to_do(
    backup_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh("mysql", tmp_path / "a") as database:
        with monkeypatch.context() as patch:
            break_at(patch, "deliveries")
            reader = Reader(backup_file)
            with pytest.raises(BackupError, match="here it ends"):
                restoring.restore(database, reader, WISH)
            reader.close()

        with pytest.raises(Exception, match=r"did not finish.*again with --force"):
            taking.take(database, tmp_path / "none.zip")

        manifest = restore(database, backup_file)
        assert contents(taking.take(database, tmp_path / "after.zip")) == contents(manifest)


def break_at(patch: pytest.MonkeyPatch, table: str) -> None:
    """Have a restore end when it comes to a table."""
    usual = restoring._fill

    def fill(made: Rebuild, *args: object) -> None:
        usual(made, *args)  # type: ignore[arg-type]
        if getattr(args[0], "name", None) == table:
            raise BackupError("here it ends")

    patch.setattr(restoring, "_fill", fill)


def test_a_file_that_somebody_has_open_is_not_replaced(
    full: Database, backup_file: Path, tmp_path: Path
) -> None:
    with full.single() as connection:
        connection.exec_driver_sql("SELECT 1")
        other = Database(full.url)
        with pytest.raises(Exception, match="in use: stop web, workers and beat"):
            restore(other, backup_file)
        other.close()
