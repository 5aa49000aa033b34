"""nginx, logrotate, Docker and compose files: read by what reads them, and agreeing with Kuvert."""

import re
import shutil
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from core.app import MAX_BODY
from core.queues import GROUPS
from core.settings import NAMES
from tests.deploy import units
from tests.support.data import ROOT, missing

DEPLOY = ROOT / "deploy"
SITE = DEPLOY / "nginx" / "kuvert.conf"
FRAME = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{ access_log off; include {folder}/kuvert.conf; }}
"""


def _require(program: str) -> None:
    if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        missing(program, "make services")


def _certificate(folder: Path) -> None:
    code, said = units.run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
        *("-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")),
    )
    assert code == 0, said


def test_nginx_takes_our_site(tmp_path: Path) -> None:
    _require("nginx")
    _certificate(tmp_path)
    site = SITE.read_text().replace("/etc/ssl/kuvert", str(tmp_path))
    (tmp_path / "kuvert.conf").write_text(site.replace("snippets/", f"{tmp_path}/"))
    shutil.copy(DEPLOY / "nginx" / "kuvert-proxy.conf", tmp_path)
    (tmp_path / "nginx.conf").write_text(FRAME.format(folder=tmp_path))

    code, said = units.run("/usr/sbin/nginx", "-t", "-q", "-c", str(tmp_path / "nginx.conf"))

    assert (code, said) == (0, ""), said


def test_nginx_lets_kuvert_itself_refuse_what_is_too_large() -> None:
    found = re.search(r"client_max_body_size (\d+)m;", SITE.read_text())

    assert found is not None
    assert MAX_BODY < int(found[1]) * 1024 * 1024 <= 2 * MAX_BODY


def test_one_proxy_is_believed_because_one_is_there() -> None:
    proxy = (DEPLOY / "nginx" / "kuvert-proxy.conf").read_text()

    # What the caller has sent is replaced, not added to.
    assert "X-Forwarded-For $remote_addr;" in proxy
    assert "KUVERT_PROXIES=1" in (DEPLOY / "install.sh").read_text()


def test_logrotate_takes_our_file(tmp_path: Path) -> None:
    _require("logrotate")
    text = (DEPLOY / "logrotate" / "kuvert").read_text()
    own = tmp_path / "kuvert"
    own.write_text(text.replace("/var/log/kuvert", str(tmp_path)))
    own.chmod(0o644)

    code, said = units.run("/usr/sbin/logrotate", "-d", "-s", str(tmp_path / "state"), str(own))

    assert code == 0, said
    assert "error:" not in said


def test_the_containers_run_every_group_with_settings_that_exist() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "kuvert"}

    commands = {" ".join(service["command"]) for service in ours.values()}
    assert {f"worker --group {group}" for group in GROUPS} < commands
    for name, service in ours.items():
        assert set(service["environment"]) <= set(NAMES), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["stop_grace_period"] == "45s", name


def test_the_image_runs_as_nobody_special_and_says_whether_it_is_well() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()

    assert "USER kuvert" in lines
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert lines.index("USER kuvert") < next(
        n for n, line in enumerate(lines) if line.startswith("ENTRYPOINT ")
    )


@pytest.mark.parametrize("script", ["install.sh", "services.sh"])
def test_the_shell_takes_our_scripts(script: str) -> None:
    first = (DEPLOY / script).read_text().splitlines()[0]
    shell = "bash" if "bash" in first else "sh"

    assert units.run(shell, "-n", str(DEPLOY / script)) == (0, "")
