"""F16: a million rows leave a real web process as a file, which takes no more memory for them."""

import os
import secrets
import sys
from contextlib import closing
from pathlib import Path

import pytest

from core.database import Database
from core.people import services
from core.people.roles import Role
from tests.benchmarks.processes import Process, children, free_port, peak_megabytes
from tests.benchmarks.visitor import Visitor
from tests.support import million
from tests.support.databases import new_database

EMAIL, PASSWORD = "ann@example.com", "a heron waits by the weir"
MOST_MB = 200


@pytest.mark.storm
@pytest.mark.processes
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_f16_a_million_rows_are_exported_in_less_than_200_mb(kind: str, tmp_path: Path) -> None:
    with new_database(kind, tmp_path) as (url, _):
        database = Database(url)
        million.fill(database)
        with database.engine.begin() as connection:
            services.add(connection, EMAIL, Role.VIEWER, PASSWORD)
        database.close()
        process, port = web(url, tmp_path)
        try:
            with closing(Visitor(port)) as visitor:
                visitor.log_in(EMAIL, PASSWORD)
                lines = visitor.size("/admin/invoice/export/csv/")
            peak = peak_megabytes(children(process.pid))
        finally:
            process.stop()

    assert lines == million.MILLION + 1
    assert peak < MOST_MB


def web(url: str, folder: Path) -> tuple[Process, int]:
    """Start one web process over the database; return it and its port."""
    port = free_port()
    environ = {
        **os.environ,
        "KUVERT_HOME": str(folder),
        "KUVERT_DATABASE_URL": url,
        "KUVERT_SECRET_KEY": secrets.token_hex(32),
    }
    command = [sys.executable, "manage.py", "web", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    process = Process(command, environ, folder / "web.log")
    process.wait_for_port(port)
    return process, port
