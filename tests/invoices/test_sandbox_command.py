"""`manage.py sandbox` as a process: its words, its signals, its exit codes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from invoices.sandbox.cli import sandbox
from tests.support.data import ROOT

PROGRAM = "from invoices.sandbox.cli import sandbox; sandbox()"


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command on a free port; give the process and its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--bind", "127.0.0.1:0", *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"SANDBOX_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    )
    assert process.stdout is not None
    with process:
        try:
            words = process.stdout.readline()
            yield process, int(words.split("127.0.0.1:")[1].split("/")[0])
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_stops_at_once_while_calls_are_held(number: signal.Signals, code: int) -> None:
    with running("--callback-url", "http://127.0.0.1:9/", "--secret-ref", "env:SANDBOX_SECRET") as (
        process,
        port,
    ):
        with (
            socket.create_connection(("127.0.0.1", port)) as idle,
            socket.create_connection(("127.0.0.1", port)) as held,
        ):
            held.sendall(
                b"POST /invoices HTTP/1.1\r\nIdempotency-Key: k\r\n"
                b"Kuvert-Recipient: timeout@sandbox.example\r\nContent-Length: 1\r\n\r\nx"
            )
            idle.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert idle.recv(4096).startswith(b"HTTP/1.1 200")
            started = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=10)

        # A stop that waited for what is held would not end; a busy machine takes its time for one.
        assert time.monotonic() - started < 5
        assert process.returncode == code
        assert errors == ""


def test_an_address_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(sandbox, ["--bind", f"127.0.0.1:{port}"])

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use"
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bind", "8090"], "is not HOST:PORT"),
        (["--bind", "127.0.0.1:99999"], "is not HOST:PORT"),
        (["--bind", "127.0.0.1:"], "is not HOST:PORT"),
        (["--callback-url", "http://127.0.0.1:8000/"], "needs --secret-ref"),
        (
            ["--callback-url", "http://127.0.0.1:8000/", "--secret-ref", "env:NOT_SET_ANYWHERE"],
            "env:NOT_SET_ANYWHERE is empty or not set",
        ),
        (["--callback-url", "ftp://x/", "--secret-ref", "env:ANY"], "--callback-url"),
        (["--delay", "-1"], "not in the range"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(sandbox, arguments)

    assert result.exit_code == 2
    assert words in result.output


def test_it_brings_in_none_of_the_desk() -> None:
    program = "import sys, invoices.sandbox.instance; print(*sys.modules)"

    words = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    loaded = set(words.stdout.split())
    assert not loaded & {"admin", "callbacks", "celery", "invoices.models", "sqlalchemy", "status"}
