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
from tests.support.data import ROOT, missing
from tests.support.processes import free_port, wait_until

pytestmark = [pytest.mark.storm, pytest.mark.processes]

MIRROR = "http://deb.debian.org/debian"
OURS = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""How this machine reaches packages; the new one reaches them in the same way."""

MINUTES = 60
INSTALL = ("/src/deploy/install.sh", "--public-url", "https://invoices.example.org")
COMMANDS = (("beat",), *(("worker", "--group", group) for group in GROUPS))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
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
    with _mounted(folder):
        yield folder


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


def _install(root: Path, *more: str) -> tuple[int, str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        _chroot(root, *INSTALL, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=15 * MINUTES,
        check=False,
    )
    return done.returncode, done.stdout


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
