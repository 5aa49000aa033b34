import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

import manage
from core import cli
from tests.support.command import Manage
from tests.support.commands import every_command
from tests.support.environment import ENVIRON

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = """
import json, os, pathlib, signal, socket, sys, threading
import click
from core.cli import json_option, output
from core.errors import InputError, SettingsError, UnavailableError
from core.settings import Settings

@click.group()
def worker(): "Work."

@worker.command()
@json_option
def names(as_json):
    output([{"name": "Müller 🧾 " + chr(0xdc80)}], as_json)

@worker.command()
def many():
    for number in range(100_000):
        click.echo(f"line {number}")

@worker.command()
def few():
    click.echo("one line")

@worker.command()
def settings():
    Settings.from_environment({"KUVERT_TIMEZONE": "x", "KUVERT_LOG_LEVEL": "x"},
                              root=pathlib.Path("/nowhere"))

@worker.command()
def away():
    raise UnavailableError("cannot reach mysql+pymysql://u:hunter2@h/db\\nor \\x1b[31m not")

@worker.command()
def code():
    return 3

@worker.command()
def wait():
    click.echo("waiting")
    threading.Event().wait()

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

@click.command()
def drop():
    Dropping()
    threading.Event().wait(600)

@worker.command()
def ask():
    click.confirm("Sure?", abort=True, err=True)

@worker.command()
def broken():
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.send(b"x")

@worker.command()
def bug():
    raise ZeroDivisionError("a bug")

wrong = 1
"""
PROGRAM = """
import sys
from core.cli import LazyGroup, run
table = {
    "worker": ("kuvert_sample:worker", "Run the work."),
    "away": ("kuvert_absent:nothing", "Is not there."),
    "odd": ("kuvert_sample:wrong", "Is no command."),
}
sys.exit(run(LazyGroup(table, about="A sample.")))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A program like manage.py, with commands for each way to end."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "kuvert_sample.py").write_text(SAMPLE, encoding="utf-8")
    path = folder / "program.py"
    path.write_text(f"import sys\nsys.path.insert(1, {str(ROOT)!r})\n{PROGRAM}")
    return [sys.executable, str(path)]


def start(argv: list[str], stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )


# manage.py


def test_no_command_is_usage_and_exit_2() -> None:
    """L01."""
    result = start([sys.executable, str(ROOT / "manage.py")])

    assert result.returncode == 2
    assert "Usage: manage.py" in result.stderr
    assert result.stdout == ""


def test_every_command_has_a_line_of_help() -> None:
    for path, command in every_command(manage.COMMANDS):
        assert command.name == path[-1]
        assert str(command.help).partition("\n")[0].endswith("."), path


# Finding a command


def test_an_unknown_command_is_answered_with_the_nearest(program: list[str]) -> None:
    """L01."""
    result = start([*program, "workr"])

    assert result.returncode == 2
    assert "Usage: manage.py" in result.stderr
    assert "Did you mean 'worker'?" in result.stderr


def test_the_help_lists_commands_whose_modules_are_broken(program: list[str]) -> None:
    result = start([*program, "-h"])

    assert result.returncode == 0
    assert re.search(r"worker +Run the work\.\n +away +Is not there\.", result.stdout)


def test_the_version_is_asked_for(program: list[str]) -> None:
    assert re.fullmatch(r"Kuvert \d+\.\d+\.\d+\n", start([*program, "--version"]).stdout)


def test_a_command_has_its_own_help(program: list[str]) -> None:
    result = start([*program, "worker", "--help"])

    assert "Usage: manage.py worker" in result.stdout
    assert "names" in result.stdout


def test_a_wrong_option_is_exit_2(program: list[str]) -> None:
    result = start([*program, "worker", "names", "--jsn"])

    assert result.returncode == 2
    assert "--json" in result.stderr


def test_an_object_that_is_no_command_is_a_mistake_of_ours(program: list[str]) -> None:
    assert "TypeError: kuvert_sample:wrong is no click command" in start([*program, "odd"]).stderr


# Ends


def test_wrong_settings_are_exit_78_with_a_line_each(program: list[str]) -> None:
    result = start([*program, "worker", "settings"])

    assert result.returncode == 78
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "KUVERT_TIMEZONE",
        "KUVERT_LOG_LEVEL",
    ]


def test_an_error_of_ours_is_one_line_without_its_password(program: list[str]) -> None:
    result = start([*program, "worker", "away"])

    assert result.returncode == 1
    assert result.stderr == (
        "Error: cannot reach mysql+pymysql://u:***@h/db\\nor \\u001b[31m not\n"
    )


def test_bytes_that_are_no_text_are_wrong_use(tmp_path: Path) -> None:
    manage = Manage(tmp_path, ENVIRON)
    assert manage("db", "upgrade").returncode == 0

    for command in (("source", "disable"), ("key", "add"), ("provider", "pause")):
        done = manage(*command, os.fsdecode(b"a\xff"))

        assert done.returncode == 2
        assert done.stderr == "Error: 'a\\udcff' is not text: write it in UTF-8\n"


def test_a_closed_input_has_ended(tmp_path: Path) -> None:
    """`<&-` and all that reads from it."""
    environ = {**os.environ, **ENVIRON, "KUVERT_HOME": str(tmp_path)}
    for command in (
        "db upgrade",
        "user add ann@example.com --role viewer --password-stdin",
        "move --to -",
        "db downgrade 0021",
    ):
        closed = ["sh", "-c", f"exec {sys.executable} {ROOT}/manage.py {command} <&-"]
        done = subprocess.run(closed, env=environ, capture_output=True, text=True, check=False)

        assert done.returncode in {0, 1, 2}, done.stderr
        assert (done.returncode == 0) == (command == "db upgrade")
        assert "Traceback" not in done.stderr
        assert done.stderr.count("Error: ") == (command != "db upgrade")


def test_a_bug_shows_its_traceback(program: list[str]) -> None:
    result = start([*program, "worker", "bug"])

    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_a_number_that_a_command_returns_is_its_exit_code(program: list[str]) -> None:
    assert start([*program, "worker", "code"]).returncode == 3


def test_ctrl_c_is_exit_130_without_a_traceback(program: list[str]) -> None:
    """L14."""
    # Whoever starts the tests in the background of a shell has them ignore the signal.
    listening = ("env", "--default-signal=INT", *program, "worker", "wait")
    with subprocess.Popen(
        listening, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 130
    assert errors.strip() == ""


def test_ctrl_c_counts_where_python_drops_it(program: list[str]) -> None:
    """L14: such as in the callbacks of an import, which print it as an exception ignored."""
    main = (
        "import sys, manage; manage.COMMANDS = {'drop': ('kuvert_sample:drop', 'Drop it.')};"
        " sys.argv[1:] = ['drop']; sys.exit(manage.main())"
    )
    folders = os.pathsep.join([str(ROOT), str(Path(program[1]).parent)])

    result = start([sys.executable, "-c", main], PYTHONPATH=folders)

    assert (result.returncode, result.stderr.strip()) == (130, "")


def test_input_that_ends_at_a_question_is_exit_1(program: list[str]) -> None:
    result = start([*program, "worker", "ask"])

    assert result.returncode == 1
    assert "the input ended" in result.stderr


@pytest.mark.parametrize("command", ["many", "few"])
def test_a_reader_that_goes_away_is_met_in_silence(program: list[str], command: str) -> None:
    """L15."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [*program, "worker", command],
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=20,
            check=False,
        )
    finally:
        os.close(writer)

    assert result.stderr == b""
    assert result.returncode == 1


def test_a_closed_output_is_met_in_silence(program: list[str]) -> None:
    result = start(["sh", "-c", 'exec "$@" >&-', "sh", *program, "worker", "few"])

    assert result.stderr == ""
    assert result.returncode == 0


def test_a_broken_connection_is_not_taken_for_a_closed_output(program: list[str]) -> None:
    result = start([*program, "worker", "broken"])

    assert result.returncode == 1
    assert "ConnectionError: a connection broke" in result.stderr


# Output


@pytest.mark.parametrize(
    "locale",
    [{"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "ascii"}],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_names_are_printed_in_every_locale(
    program: list[str], locale: dict[str, str], options: list[str]
) -> None:
    """L16."""
    result = start([*program, "worker", "names", *options], **locale)

    assert result.stderr == ""
    assert result.returncode == 0
    assert "ller" in result.stdout


def test_json_is_ascii_with_times_amounts_and_ids(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "name": "Müller",
        "at": datetime(2026, 11, 22, 10, tzinfo=UTC),
        "amount": Decimal("119.00"),
        "id": UUID(int=1),
        "none": None,
        "count": 2,
    }

    cli.output([row], as_json=True)

    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == [
        {
            "name": "Müller",
            "at": "2026-11-22T10:00:00Z",
            "amount": "119.00",
            "id": "00000000-0000-0000-0000-000000000001",
            "none": None,
            "count": 2,
        }
    ]


def test_one_row_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    cli.output({"a": 1}, as_json=True)

    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_no_rows_are_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    cli.output(iter(()), as_json=True)

    assert json.loads(capsys.readouterr().out) == []


def test_a_table_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    cli.output([{"name": "a", "live": True}, {"name": "b" * 200, "note": None}], as_json=False)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["name", "live", "note"], ["a", "yes"], ["b" * 200]]


def test_one_row_is_a_list_of_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    cli.output({"name": "a", "live": False}, as_json=False)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["name", "a"], ["live", "no"]]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    cli.output([], as_json=False)

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Nothing to list.\n")


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    cli.output([{"name": "[red]a\x1b[31m\nb :smile:"}], as_json=False)

    assert capsys.readouterr().out.splitlines()[1].strip() == r"[red]a\u001b[31m\nb :smile:"


def test_completion_knows_the_commands(program: list[str]) -> None:
    result = start(
        program,
        _MANAGE_PY_COMPLETE="bash_complete",
        COMP_WORDS="manage.py worker na",
        COMP_CWORD="2",
    )

    assert result.stdout == "plain,names\n"
