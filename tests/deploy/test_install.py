"""`deploy/install.sh` in a Debian that was made a minute ago (debootstrap), without systemd."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.queues import GROUPS
from tests.support.calls import Api
from tests.support.data import ROOT, missing
from tests.support.factories import invoice_json
from tests.support.mail_server import mail_server
from tests.support.nspawn import Machine, booted
from tests.support.ports import free_port
from tests.support.processes import wait_until

pytestmark = [pytest.mark.storm, pytest.mark.processes]

MIRROR = "http://deb.debian.org/debian"
OURS = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""How this machine reaches packages; the new one reaches them in the same way."""

MINUTES = 60
STOP_SECONDS = 30
HOME = "/opt/kuvert"
SYSTEMD = ("systemd", "systemd-sysv", "dbus")
SERVICES = ("kuvert-web", "kuvert-beat", *(f"kuvert-worker@{group}" for group in GROUPS))
INSTALL = ("/src/deploy/install.sh", "--public-url", "https://invoices.example.org")
COMMANDS = (("beat",), *(("worker", "--group", group) for group in GROUPS))


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Debian with a copy of this repository in /src."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        missing("root with debootstrap", "as root: apt-get install debootstrap")
    folder = tmp_path_factory.mktemp("debian") / "root"
    made = ("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm")
    done = subprocess.run((*made, str(folder), MIRROR), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    for path in filter(os.path.exists, OURS):
        shutil.copy(path, folder / path.lstrip("/"))
    (folder / "src").mkdir()
    listed = subprocess.run(
        ("git", "ls-files", "-z", ":!tests", ":!docs/pictures"),
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    subprocess.run(
        ("tar", "--null", "-T", "-", "-cf", str(folder / "src.tar")),
        cwd=ROOT,
        input=listed,
        check=True,
    )
    subprocess.run(("tar", "-xf", str(folder / "src.tar"), "-C", str(folder / "src")), check=True)
    return folder


@pytest.fixture
def bare_root(debian: Path, tmp_path: Path) -> Path:
    """A copy of it for one test, with nothing mounted in it."""
    own = tmp_path / "root"
    subprocess.run(("cp", "-a", "--reflink=auto", str(debian), str(own)), check=True)
    return own


@pytest.fixture
def root(bare_root: Path) -> Iterator[Path]:
    """The same, to change into."""
    with _mounted(bare_root):
        yield bare_root


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    """Give the new Debian its /proc and shared memory; debootstrap has made its devices."""
    mounts = (
        ("-t", "proc", "proc", "proc"),
        ("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "dev/shm"),
    )
    with ExitStack() as stack:
        for *how, place in mounts:
            path = str(folder / place)
            subprocess.run(("mount", *how, path), check=True)
            stack.callback(subprocess.run, ("umount", path), check=True)
        yield


def _chroot(root: Path, *command: str) -> list[str]:
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    return ["chroot", str(root), "env", "-i", path, "HOME=/root", "LANG=C.UTF-8", *command]


def _run(root: Path, *command: str) -> tuple[int, str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        _chroot(root, *command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=15 * MINUTES,
        check=False,
    )
    return done.returncode, done.stdout


def _install(root: Path, *more: str) -> tuple[int, str]:
    return _run(root, *INSTALL, *more)


def test_it_is_installed_once_and_well(root: Path) -> None:
    code, planned = _install(root, "--check")
    assert code == 1, planned
    assert not (root / "opt/kuvert").exists()
    assert not (root / "etc/kuvert").exists()

    code, said = _install(root)
    assert code == 0, said
    assert "add the first admin" in said
    settings = root / "etc/kuvert/kuvert.env"
    assert oct(settings.stat().st_mode)[-3:] == "640"
    wanted = root / "etc/systemd/system/kuvert.target.wants"
    assert {path.name for path in wanted.iterdir()} == {
        *("kuvert-web.socket", "kuvert-web.service", "kuvert-beat.service"),
        *(f"kuvert-worker@{group}.service" for group in GROUPS),
    }

    before = settings.read_bytes()
    for more in ((), ("--check",)):
        code, said = _install(root, *more)
        assert code == 0, said
        assert said.splitlines()[-1] == "install: nothing to do"
    assert settings.read_bytes() == before

    _start_and_ask(root)


def test_under_supervisord_it_is_installed_once_and_well(root: Path) -> None:
    code, said = _install(root, "--supervisor")
    assert code == 0, said
    assert "supervisord does not run here" in said
    assert not (root / "etc/systemd/system/kuvert.target").exists()
    code, said = _install(root, "--supervisor")
    assert (code, said.splitlines()[-1]) == (0, "install: nothing to do"), said

    with _supervisord(root):
        wait_until(lambda: _is_ready(8000), 2 * MINUTES, "Kuvert is ready")
        wait_until(lambda: _states(root) == {"RUNNING"}, MINUTES, "all of it runs")
        for more in ((), ("--check",)):
            code, said = _install(root, "--supervisor", *more)
            assert (code, said.splitlines()[-1]) == (0, "install: nothing to do"), said

        pids = _supervisorctl(root, "pid", "kuvert:kuvert-beat")
        (root / "src/docs/index.md").write_text("another version")
        code, said = _install(root, "--supervisor")
        assert code == 0, said
        assert "let supervisord restart Kuvert" in said
        assert _supervisorctl(root, "pid", "kuvert:kuvert-beat") != pids

        (root / "etc/supervisor/conf.d/kuvert.conf").unlink()
        _supervisorctl(root, "update")
        assert _states(root) == set()
        code, said = _install(root, "--supervisor")
        assert code == 0, said
        assert "let supervisord start Kuvert" in said
        assert _states(root) == {"RUNNING"}
        wait_until(lambda: _is_ready(8000), 2 * MINUTES, "Kuvert is ready")


@contextmanager
def _supervisord(root: Path) -> Iterator[None]:
    """Run Debian's supervisord as its service would."""
    conf = "/etc/supervisor/supervisord.conf"
    process = subprocess.Popen(_chroot(root, "/usr/bin/supervisord", "-n", "-c", conf))
    try:
        wait_until((root / "run/supervisor.sock").exists, MINUTES, "supervisord listens")
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(MINUTES) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def _supervisorctl(root: Path, *arguments: str) -> str:
    command = _chroot(root, "supervisorctl", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _states(root: Path) -> set[str]:
    """The states of all programs of the group."""
    lines = _supervisorctl(root, "status").splitlines()
    return {line.split()[1] for line in lines if line.startswith("kuvert:")}


def test_under_systemd_the_units_run_as_hardened_as_they_say(bare_root: Path) -> None:
    root = bare_root
    for command in (("update",), ("install", "--no-install-recommends", *SYSTEMD)):
        code, said = _run(root, "apt-get", "-yq", *command)
        assert code == 0, said
    with booted(root) as machine, mail_server() as mails:
        machine.do(*INSTALL)
        assert machine.do(*INSTALL).splitlines()[-1] == "install: nothing to do"
        pip = f"{HOME}/.venv/bin/python", "-m", "pip", "install", "-q", "--require-hashes"
        machine.do(*pip, "-r", f"{HOME}/requirements/pdf.txt")
        with (root / "etc/kuvert/kuvert.env").open("a") as file:
            file.write(f"KUVERT_SMTP_URL={mails.url}\nKUVERT_MAIL_FROM=a@example.org\n")
        # By name, which waits; the target moves them and returns at once.
        machine.do("systemctl", "restart", *SERVICES)
        wait_until(lambda: _is_ready(8000), 2 * MINUTES, "Kuvert is ready")
        _check_hardening(machine)

        _manage(machine, "provider", "add", "mail", "--channel", "smtp")
        made = _manage(
            machine, "source", "add", "erp", "--environment", "live", "--provider", "mail"
        )
        api = Api("http://127.0.0.1:8000", made.partition("api_key")[2].split()[0])
        sent = api.post("/invoices", invoice_json(buyer={"name": "G", "email": "a@buyer.example"}))
        assert sent.status == 202, sent.body
        key = sent.json()["id"]
        pdf = api.get(f"/invoices/{key}/pdf")
        assert (pdf.status, pdf.body[:5]) == (200, b"%PDF-"), pdf.body
        wait_until(lambda: api.status_of(key) == "sent", MINUTES, "the mail is sent")
        parts = [part.get_content_type() for part in mails.taken[0].message.iter_attachments()]
        assert "application/pdf" in parts, parts

        _check_restarts(machine)


def _check_hardening(machine: Machine) -> None:
    """Look at what the kernel says of each service, not only at what the unit asks for."""
    for service in SERVICES:
        score = machine.do("systemd-analyze", "security", "--no-pager", service).splitlines()[-1]
        print(score)
        status = machine.do("cat", f"/proc/{_main_pid(machine, service)}/status")
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"):
            assert line in status, service


def _check_restarts(machine: Machine) -> None:
    killed = _main_pid(machine, SERVICES[-1])
    machine.do("sh", "-c", f"kill -9 {killed}")
    wait_until(lambda: _main_pid(machine, SERVICES[-1]) not in {"0", killed}, MINUTES, "it is back")
    began = time.monotonic()
    machine.do("systemctl", "stop", "kuvert.target", "kuvert-*")
    print(f"stopped after {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began <= STOP_SECONDS
    assert {machine.run("systemctl", "is-active", one)[1].strip() for one in SERVICES} == {
        "inactive"
    }


def _main_pid(machine: Machine, service: str) -> str:
    return machine.do("systemctl", "show", "-p", "MainPID", "--value", service)


def _manage(machine: Machine, *arguments: str) -> str:
    line = f"cd {HOME} && exec .venv/bin/python manage.py {' '.join(arguments)}"
    return machine.do("runuser", "-u", "kuvert", "--", "sh", "-c", line)


def _start_and_ask(root: Path) -> None:
    """Start what the units name, as their user; end it when Kuvert has called itself ready."""
    port = free_port()
    commands = (("web", "--port", str(port)), *COMMANDS)
    with ExitStack() as stack:
        for command in commands:
            stack.enter_context(_running(root, command))
        wait_until(lambda: _is_ready(port), 2 * MINUTES, "Kuvert is ready")


@contextmanager
def _running(root: Path, command: tuple[str, ...]) -> Iterator[None]:
    line = f"cd /opt/kuvert && exec .venv/bin/python manage.py {' '.join(command)}"
    as_kuvert = ("setpriv", "--reuid=kuvert", "--regid=kuvert", "--init-groups", "sh", "-c", line)
    process = subprocess.Popen(_chroot(root, *as_kuvert))
    try:
        yield
        assert process.poll() is None, command
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, command
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.5)
        return False
