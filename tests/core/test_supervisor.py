import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import supervisor
from core.child_output import Printer
from core.supervisor import Child, Supervisor
from tests.support.supervised import PROGRAM, ROOT, is_running, soon, up

QUIET = "import os, time; print('pid', os.getpid()); time.sleep(60)"
POLITE = """
import os, signal, sys, time
def bye(number, frame):
    print("got", signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
signal.signal(signal.SIGINT, bye)
print("pid", os.getpid())
time.sleep(60)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: print("got SIGTERM"))
print("pid", os.getpid())
while True:
    time.sleep(60)
"""
CHATTY = """
import os, time
print("pid", os.getpid())
while True:
    time.sleep(0.1)
    print("still here")
"""
WITH_POOL = """
import os, subprocess, sys, time
pool = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("pid", pool.pid)
time.sleep(60)
"""


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl of Linux")


# Output


def test_output_is_forwarded_with_names() -> None:
    code = "import sys; print('to out'); print('to err', file=sys.stderr); input()"
    with up(web=code, beat_one=QUIET) as running:
        lines = {running.line("pid|to").partition(" pid")[0] for _ in range(3)}

    assert lines == {"web      | to out", "web      | to err", "beat_one |"}


def test_a_line_without_an_end_is_forwarded_when_the_child_ends() -> None:
    code = "import sys; sys.stdout.write('no end'); sys.stdout.flush(); raise SystemExit(3)"
    with up(web=code) as running:
        lines = {running.line("web"), running.line("web")}

    assert lines == {"web | no end", "up  | web ended (exit 3); starts again in 1 s"}


def test_odd_bytes_and_long_lines_are_forwarded() -> None:
    code = "import os, time; os.write(1, b'\\xff' + b'x' * 200_000 + b'\\nend\\n'); time.sleep(60)"
    with up(web=code) as running:
        first = running.line("web")
        running.line(r"\| end$")

    assert first.startswith("web | \N{REPLACEMENT CHARACTER}xxx")
    assert len(first) >= 65_536


def test_the_last_words_of_a_child_are_forwarded() -> None:
    with up(web=POLITE) as running:
        running.pid("web")

        assert running.stop() == 0
        assert running.rest() == ["up  | stopping", "web | got SIGTERM"]


def test_names_are_coloured_on_a_terminal() -> None:
    class Terminal:
        text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    stream = Terminal()
    write = Printer(["web", "worker"], stream)  # type: ignore[arg-type]

    write("web", "a")
    write("up", "b")

    assert stream.text == "\x1b[36mweb    |\x1b[0m a\n\x1b[32mup     |\x1b[0m b\n"


# Starting again


def test_a_child_killed_is_started_again() -> None:
    with up(web=QUIET, worker=QUIET) as running:
        first = running.pid("worker")

        os.kill(first, signal.SIGKILL)

        assert running.line("up +\\|") == (
            "up     | worker was ended by Killed (9); starts again in 1 s"
        )
        assert running.pid("worker") != first
        assert running.stop() == 0


def test_a_child_that_ends_at_once_waits_longer_each_time() -> None:
    with up(web="raise SystemExit(1)") as running:
        waits = [running.line(r"starts again in (\d+) s") for _ in range(3)]

        assert waits == ["1", "2", "4"]
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("delay", "up_seconds", "now", "after"),
    [(1, 0, 1, 2), (16, 59, 16, 30), (30, 0, 30, 30), (30, 60, 1, 2)],
)
def test_the_wait_doubles_and_is_forgotten_after_a_steady_minute(
    delay: float, up_seconds: float, now: float, after: float
) -> None:
    assert supervisor._delays(delay, up_seconds) == (now, after)


def test_a_command_that_is_not_there_is_said_and_tried_again() -> None:
    lines = Lines(stop_at="starts again")

    code = Supervisor([Child("web", ["/nowhere/kuvert"])], on_line=lines).run()

    assert code == 0
    assert lines.texts[:2] == [
        "cannot run /nowhere/kuvert: No such file or directory",
        "web ended (exit 127); starts again in 1 s",
    ]


@linux_only
def test_what_a_killed_child_leaves_behind_is_killed() -> None:
    with up(worker=WITH_POOL) as running:
        pool = running.pid("worker")
        master = int(Path(f"/proc/{pool}/stat").read_text().rpartition(")")[2].split()[1])

        os.kill(master, signal.SIGKILL)

        running.line("starts again")
        assert soon(lambda: not is_running(pool))


# Stopping


def test_children_stop_in_reverse_order() -> None:
    with up(web=POLITE, worker=POLITE, beat=POLITE) as running:
        for _ in range(3):
            running.line("pid")

        assert running.stop() == 0
        assert [line.split()[0] for line in running.rest() if "SIGTERM" in line] == [
            "beat",
            "worker",
            "web",
        ]


def test_ctrl_c_reaches_each_child_once_as_sigterm() -> None:
    with up(web=POLITE, beat=POLITE) as running:
        running.line("pid")
        running.line("pid")

        os.killpg(running.process.pid, signal.SIGINT)

        assert running.process.wait(15) == 130
        assert running.rest() == ["up   | stopping", "beat | got SIGTERM", "web  | got SIGTERM"]


def test_a_closed_terminal_stops_all() -> None:
    with up(web=POLITE) as running:
        running.pid("web")

        assert running.stop(signal.SIGHUP) == 0


@linux_only
def test_a_stubborn_child_is_killed_after_the_bound() -> None:
    with up(stop_seconds=1, web=POLITE, worker=STUBBORN) as running:
        running.line("pid")
        running.line("pid")
        started = time.monotonic()

        assert running.stop() == 0

        assert 0.9 < time.monotonic() - started < 5
        rest = running.rest()
        assert "web    | got SIGTERM" in rest
        assert "up     | worker does not stop; killed" in rest


@linux_only
def test_a_second_ctrl_c_does_not_wait() -> None:
    with up(stop_seconds=60, worker=STUBBORN) as running:
        pid = running.pid("worker")
        running.process.send_signal(signal.SIGINT)
        running.line("got SIGTERM")

        assert running.stop(signal.SIGINT) == 130
        assert not is_running(pid)


def test_a_child_that_waits_for_its_start_does_not_hold_up_the_stop() -> None:
    with up(stop_seconds=60, web="raise SystemExit(1)") as running:
        for _ in range(2):
            running.line("starts again")

        assert running.stop() == 0


@linux_only
def test_no_child_outlives_a_supervisor_that_is_killed() -> None:
    with up(web=QUIET, worker=POLITE) as running:
        pids = [int(running.line(r"pid (\d+)")) for _ in range(2)]

        running.stop(signal.SIGKILL)

        assert soon(lambda: not any(is_running(pid) for pid in pids))


@linux_only
def test_children_stop_when_the_output_goes_away() -> None:
    spec = json.dumps({"children": {"web": POLITE, "chatty": CHATTY}, "stop_seconds": 5})
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, spec],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout
        pids: set[str] = set()
        while len(pids) < 2:
            pids.update(re.findall(r"pid (\d+)", process.stdout.readline()))
        process.stdout.close()

        assert process.wait(15) != 0
        assert not any(is_running(int(pid)) for pid in pids)


# In this process


class Lines:
    """Takes lines; sends this process SIGTERM when one holds `stop_at`."""

    def __init__(self, stop_at: str) -> None:
        self.texts: list[str] = []
        self._stop_at = stop_at

    def __call__(self, name: str, line: str) -> None:
        self.texts.append(line)
        if self._stop_at in line:
            os.kill(os.getpid(), signal.SIGTERM)


def test_the_status_tells_pid_starts_and_since() -> None:
    lines = Lines(stop_at="pid")
    running = Supervisor([Child("web", [sys.executable, "-c", QUIET])], on_line=lines)
    before = running.status()["web"]
    seen: list[supervisor.Status] = []

    def look(name: str, line: str) -> None:
        seen.append(running.status()[name] if name == "web" else before)
        lines(name, line)

    running._on_line = look
    assert running.run() == 0

    assert (before.pid, before.starts, before.since) == (None, 0, None)
    assert lines.texts[0] == f"pid {seen[0].pid}"
    assert seen[0].starts == 1
    assert seen[0].since is not None
    assert running.status()["web"].pid is None


def test_the_environment_of_a_child_is_ours_and_its_own() -> None:
    code = "import os, time; print(os.environ['OWN'], 'PATH' in os.environ); time.sleep(60)"
    lines = Lines(stop_at="True")

    Supervisor([Child("web", [sys.executable, "-c", code], {"OWN": "a b"})], on_line=lines).run()

    assert lines.texts[0] == "a b True"


@linux_only
def test_children_stop_when_a_line_cannot_be_handed_on() -> None:
    pids = []

    def fail(name: str, line: str) -> None:
        pids.append(int(line.split()[1]))
        raise LookupError(line)

    with pytest.raises(LookupError, match="pid"):
        Supervisor([Child("web", [sys.executable, "-c", POLITE])], on_line=fail).run()

    assert not is_running(pids[0])


def test_signals_are_as_before_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = [signal.getsignal(number) for number in numbers]

    Supervisor([Child("web", [sys.executable, "-c", QUIET])], on_line=Lines(stop_at="pid")).run()

    assert [signal.getsignal(number) for number in numbers] == before


@linux_only
def test_waiting_takes_no_processor_time() -> None:
    def ticks(pid: int) -> int:
        return sum(
            map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
        )

    with up(web=QUIET) as running:
        running.pid("web")
        before = ticks(running.process.pid)

        time.sleep(1)

        assert ticks(running.process.pid) - before <= 2
