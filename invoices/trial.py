"""What somebody needs to try Kuvert: a sandbox to send to, and a source that may use it."""

import os
import secrets
import socket
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, select, update

from core.settings import Settings
from invoices import access, setup
from invoices.models import ApiKey, ChannelName, Environment, Provider, Source

PROVIDERS = Provider.__table__
SOURCES = Source.__table__
KEYS = ApiKey.__table__

SOURCE = "trial"
SANDBOX = "sandbox"
SILENT_SANDBOX = "sandbox-no-key"
"""A second sandbox, taken for one that honours no key: what is unclear there stays unknown."""

USUAL_PORTS = {SANDBOX: 8090, SILENT_SANDBOX: 8091}
SILENT_SECONDS = "3"


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial's set-up: `new_key` is the source's key where it was made just now.

    `binds` says where the sandbox of each provider is to listen.
    """

    new_key: str | None
    binds: dict[str, str]
    secret_file: Path


def prepare(connection: Connection, settings: Settings) -> Trial:
    """Make sure that the sandbox providers, the trial source and its key are there."""
    secret_file = _secret_file(settings.home)
    binds = {code: f"127.0.0.1:{_port(connection, code)}" for code in USUAL_PORTS}
    for code, bind in binds.items():
        _provide(connection, code, bind, secret_file, settings)
    return Trial(_source_key(connection), binds, secret_file)


def short_key(connection: Connection) -> str:
    """Make a key of the trial source that is good for a day, for the demonstration itself."""
    source_id = setup.source(connection, SOURCE).id
    return access.create_key(connection, source_id, Environment.TEST, [], 1)


def _source_key(connection: Connection) -> str | None:
    """Add the trial source at the first time and return its first key."""
    if connection.scalar(select(SOURCES.c.id).where(SOURCES.c.name == SOURCE)) is not None:
        return None
    source_id = setup.add_source(connection, SOURCE, Environment.TEST, SANDBOX)
    return access.create_key(connection, source_id, Environment.TEST, [], None)


def _provide(
    connection: Connection, code: str, bind: str, secret_file: Path, settings: Settings
) -> None:
    """Add a sandbox provider, or bring its address and its secret's place up to date."""
    url, reference = f"http://{bind}/invoices", f"file:{secret_file}"
    values = {"url": url, "callback_secret_refs": [reference]}
    changed = connection.execute(update(PROVIDERS).where(PROVIDERS.c.code == code).values(values))
    if changed.rowcount:
        return
    is_silent = code == SILENT_SANDBOX
    new = setup.NewProvider(
        code=code,
        channel=ChannelName.SANDBOX,
        url=url,
        is_idempotent=not is_silent,
        callback_secret_refs=(reference,),
        settings={"timeout_seconds": SILENT_SECONDS} if is_silent else {},
    )
    setup.add_provider(connection, new, settings=settings)


def _port(connection: Connection, code: str) -> int:
    """Return the sandbox's port of last time while it is free, else any that is."""
    url = connection.scalar(select(PROVIDERS.c.url).where(PROVIDERS.c.code == code))
    known = (urlsplit(url).port if url else None) or USUAL_PORTS[code]
    return known if _is_free(known) else _free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _secret_file(home: Path) -> Path:
    """Return the file with the sandbox's callback secret, made once and readable by us alone."""
    path = home.resolve() / "sandbox_secret"
    if not path.exists():
        text = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    return path
