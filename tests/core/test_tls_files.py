"""Files of TLS that settings name (G16): what is wrong with them is said before anything starts."""

from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from core.app import create_app
from core.errors import SettingsError
from core.waiting import AWAY, reach_broker
from tests.support.brokers import PORT, virtual_host
from tests.support.environment import make_settings
from tests.support.mailbox import make_certificates
from tests.support.tls_front import tls_front

URLS = {
    "postgresql": ("DATABASE_URL", "postgresql+psycopg://k:hunter2@db/k?sslrootcert={a}&sslcert={c}&sslkey={k}"),
    "mysql": ("DATABASE_URL", "mysql+pymysql://k:hunter2@db/k?ssl_ca={a}&ssl_cert={c}&ssl_key={k}"),
    "broker": ("BROKER_URL", "amqps://k:hunter2@mq/k?ca_certs={a}&certfile={c}&keyfile={k}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, those of somebody else in `other`, and a file that is none."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "other").mkdir()
    make_certificates(folder)
    make_certificates(folder / "other")
    (folder / "none.pem").write_text("nothing of the kind")
    return folder


def url_of(kind: str, folder: Path, **changes: str) -> dict[str, str]:
    names = {"a": "authority.pem", "c": "server.pem", "k": "server.key"} | changes
    setting, form = URLS[kind]
    return {setting: form.format(**{key: quote(str(folder / it)) for key, it in names.items()})}


@pytest.mark.parametrize("kind", list(URLS))
def test_files_that_belong_together_are_taken(tmp_path: Path, files: Path, kind: str) -> None:
    make_settings(tmp_path, **url_of(kind, files))


@pytest.mark.parametrize("kind", list(URLS))
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"a": "gone.pem"}, ["gone.pem", "No such file"], id="no authority"),
        pytest.param({"k": "gone.key"}, ["gone.key", "No such file"], id="no key"),
        pytest.param({"c": "other"}, ["other", "Is a directory"], id="a folder"),
        pytest.param({"a": "none.pem"}, ["none.pem", "PEM"], id="no certificate"),
        pytest.param({"c": "none.pem"}, ["none.pem", "PEM"], id="no certificate of ours"),
        pytest.param(
            {"k": "other/server.key"},
            ["other/server.key", "is not that of the certificate", "server.pem"],
            id="key of another",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, files: Path, kind: str, changes: dict[str, str], named: list[str]
) -> None:
    """G16."""
    with pytest.raises(SettingsError) as caught:
        make_settings(tmp_path, **url_of(kind, files, **changes))

    [line] = caught.value.lines
    assert line.startswith(f"KUVERT_{URLS[kind][0]}: ")
    assert all(part in line for part in named)
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url",
    [
        "amqps://k:x@mq/k?cafile=/ca.pem",
        "amqp://k:x@mq/k?ca_certs=/ca.pem",
        "amqp://mq/k?heartbeat",
    ],
)
def test_what_means_nothing_to_a_broker_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"behind \? only ca_certs, certfile, keyfile"):
        make_settings(tmp_path, BROKER_URL=url)


def test_a_key_without_its_certificate_is_refused(tmp_path: Path, files: Path) -> None:
    with pytest.raises(SettingsError, match="keyfile needs certfile"):
        make_settings(tmp_path, BROKER_URL=f"amqps://k:x@mq/k?keyfile={files}/server.key")


def test_a_broker_is_believed_by_its_name_and_authority_alone(tmp_path: Path, files: Path) -> None:
    """On a real RabbitMQ behind TLS; 127.0.0.2 is not in its certificate."""
    ours = f"?ca_certs={files}/authority.pem"
    others = f"?ca_certs={files}/other/authority.pem"
    with virtual_host() as plain, tls_front(PORT, files) as port:
        vhost = plain.rpartition("/")[2]

        def broker(host: str, query: str) -> Flask:
            url = f"amqps://guest:guest@{host}:{port}/{vhost}{query}"
            return create_app(make_settings(tmp_path, BROKER_URL=url))

        reach_broker(broker("127.0.0.1", ours).extensions["celery"])

        for host, query in (("127.0.0.2", ours), ("127.0.0.1", others), ("127.0.0.1", "")):
            with pytest.raises(AWAY, match="CERTIFICATE_VERIFY_FAILED"):
                reach_broker(broker(host, query).extensions["celery"])
