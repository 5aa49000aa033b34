"""Every command as somebody calls it who has never seen Kuvert: he gets a line, not a traceback."""

import io
import json
import os
import pathlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import click
import pytest

import manage
from tests.support.command import Manage
from tests.support.commands import Path, every_command
from tests.support.console import Console
from tests.support.environment import ENVIRON
from tests.support.factories import invoice_json
from tests.support.processes import MANAGE

ELSEWHERE = frozenset(
    {"up", "web", "worker", "beat", "sandbox", "db", "upgrade", "backup", "restore", "move", "task"}
)
"""What serves, or works on another database or broker than the test's; they have their tests."""

SOME_ID = "0190f3a0-0000-7000-8000-000000000000"


def needed(command: click.Command) -> Iterator[str]:
    """What a command cannot be called without: something of the right form that is not there."""
    for one in command.params:
        if not one.required:
            continue
        if isinstance(one, click.Option):
            yield one.opts[0]
        if not (isinstance(one, click.Option) and one.is_flag):
            yield something(one.type)


def something(kind: click.ParamType[Any]) -> str:
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    return SOME_ID if kind is click.UUID else "nope"


COMMANDS = {
    path: command
    for path, command in every_command(manage.COMMANDS)
    if path[0] not in ELSEWHERE and not isinstance(command, click.Group)
}


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.mark.parametrize("is_json", [False, True], ids=["for people", "for programs"])
def test_every_command_ends_in_order_where_nothing_is_there(
    console: Console, *, is_json: bool
) -> None:
    """With what it needs and no more; an error that is no line would end this test."""
    silent = []
    for path, command in COMMANDS.items():
        if is_json and not any("--json" in one.opts for one in command.params):
            continue
        done = console(*path, *needed(command), *(["--json"] if is_json else []))
        assert done.code in {0, 1, 2}, path
        if done.code and not (done.err or done.out):
            silent.append(path)
        if is_json and done.code == 0:
            assert done.json() is not None, path

    assert silent == []


def test_every_command_without_what_it_needs_is_wrong_use(console: Console) -> None:
    wrong: list[Path] = []
    for path, command in COMMANDS.items():
        if list(needed(command)):
            done = console(*path)
            if done.code != 2 or "Usage: manage.py" not in done.err:
                wrong.append(path)

    assert wrong == []


def test_a_schedule_needs_a_task_and_a_time(console: Console) -> None:
    for given in ((), ("--every", "5"), ("--task", "tasks.getDueStatuses")):
        done = console("schedule", "add", "mine", *given)

        assert done.code == 2
        assert "Give --task, and one of --every, --crontab and --at." in done.err


def test_a_queue_that_is_not_there_is_answered_with_those_that_are(console: Console) -> None:
    """L02."""
    done = console("worker", "--queues", "nope")

    assert done.code == 2
    assert "no queue 'nope'; known: getbulk, getcallback" in done.err


def test_what_is_listed_in_c_and_into_a_pipe_that_closed_is_no_error(
    tmp_path: pathlib.Path,
) -> None:
    """L15, L16, of a real command."""
    environ = {"LC_ALL": "C", "KUVERT_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    kuvert = Manage(tmp_path, {"LC_ALL": "C"})
    kuvert("db", "upgrade")
    assert kuvert("source", "add", "Müller 🧾", "--environment", "test").returncode == 0

    told = kuvert("source", "list")
    piped = subprocess.run(
        ["sh", "-c", '"$@" | true', "sh", *MANAGE, "source", "list"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (told.returncode, told.stderr) == (0, "")
    assert "ller" in told.stdout
    assert piped.stderr == ""


def many(folder: pathlib.Path) -> str:
    """A file of more invoices than are taken in within a second."""
    file = folder / "many.ndjson"
    lines = (json.dumps(invoice_json(number=f"M-{number}")) for number in range(5_000))
    file.write_text("\n".join(lines))
    return str(file)


@pytest.mark.storm
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.8, 1.3, 1.8, 2.5])
@pytest.mark.parametrize("command", ["import", "backup", "restore", "move", "upgrade", "mail"])
def test_ctrl_c_at_any_moment_leaves_nothing_half(
    tmp_path: pathlib.Path, command: str, seconds: float
) -> None:
    """L14."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        environ = {**ENVIRON, "KUVERT_IMAP_URL": f"imap://a:b@127.0.0.1:{port}/INBOX"}
        kuvert = Manage(tmp_path, environ)
        kuvert("db", "upgrade")
        kuvert("provider", "add", "sandbox", "--channel", "sandbox")
        kuvert("source", "add", "erp", "--environment", "test", "--provider", "sandbox")
        kuvert("backup", str(tmp_path / "before.zip"))
        words = {
            "import": ("invoice", "import", many(tmp_path), "--source", "erp"),
            "backup": ("backup", str(tmp_path / "now.zip")),
            "restore": ("restore", str(tmp_path / "before.zip"), "--force"),
            "move": ("move", "--to", f"sqlite:///{tmp_path}/moved.db"),
            "upgrade": ("db", "upgrade"),
            "mail": ("mail", "check"),
        }
        process = subprocess.Popen(
            [*MANAGE, *words[command]],
            env={"PATH": os.environ["PATH"], "KUVERT_HOME": str(tmp_path), **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode in {0, 130}, said
    assert "Traceback" not in said
    assert [one.name for one in tmp_path.glob("*moving*")] == []
    assert kuvert("db", "check").returncode == 0
    assert [row["name"] for row in kuvert.json("source", "list")] == ["erp"]
    assert len(kuvert.json("invoice", "list", "--limit", "2")) in {0, 2}
    if (tmp_path / "now.zip").exists():
        assert kuvert("backup", "--verify", str(tmp_path / "now.zip")).returncode == 0
