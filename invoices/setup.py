"""Setting up sources and providers: who hands invoices over, and who delivers them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select
from sqlalchemy.exc import IntegrityError

from core.clock import utcnow
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from core.secrets import check_reference
from core.settings import Settings
from core.targets import check_url
from invoices import mail_route, provider_settings
from invoices.models import ChannelName, Environment, Provider, ProviderState, Source

SOURCES = Source.__table__
PROVIDERS = Provider.__table__

CALLBACK_PROFILES = ("standard-webhooks", "hmac-sha256", "basic", "token")
MOST_CALLBACK_SECRETS = 2
LARGEST_CONCURRENCY = 512
SANDBOX_URL = "http://127.0.0.1:8090/invoices"
"""Where `manage.py sandbox` listens when it is told nothing."""

provider_added: list[Callable[[Connection, UUID], None]] = []
"""Called with each new provider in its transaction; packages above append to it."""

_NAME = re.compile(r"\S(.{0,98}\S)?")
_CODE = re.compile(r"[a-z0-9]([a-z0-9._-]{0,58}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProvider:
    """What a new provider is made of.

    `auth_ref` and `callback_secret_refs` are references (`env:NAME`, `file:PATH`).
    `is_idempotent`: it honours our dispatch key. `concurrency` is how many calls to it may be
    under way in one process; mails go one by one.
    """

    code: str
    channel: str
    url: str | None = None
    is_idempotent: bool = False
    auth_ref: str | None = None
    callback_profile: str = CALLBACK_PROFILES[0]
    callback_secret_refs: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 16


def add_source(
    connection: Connection, name: str, environment: str, provider_code: str | None = None
) -> UUID:
    """Add a billing system; `provider_code` is who delivers where an invoice names nobody.

    Raises:
        InputError: a name or environment that cannot be.
        NotFoundError: no such provider.
        ConflictError: the name is taken.
    """
    check_source_name(name)
    if environment not in set(Environment):
        raise InputError.at("/environment", "environment", "environment: live or test")
    new = new_id()
    row = {
        "id": new,
        "name": name,
        "environment": environment,
        "provider_id": provider(connection, provider_code).id if provider_code else None,
        "is_disabled": False,
        "created_at": utcnow(),
    }
    try:
        connection.execute(insert(SOURCES).values(row))
    except IntegrityError as error:
        raise name_taken(name) from error
    return new


def name_taken(name: str) -> ConflictError:
    """Return what is said of a source's name that another has."""
    message = f"There is a source {name} already"
    return ConflictError(message, findings=[Finding("/name", "unique", message)])


def check_source_name(name: str) -> None:
    """Refuse what cannot name a source.

    Raises:
        InputError: it is empty, too long, or people could not read it.
    """
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise InputError.at("/name", "name", "name: 1 to 100 characters, none at its ends a space")


def source(connection: Connection, name: str) -> Row[Any]:
    """Return the source called `name`.

    Raises:
        NotFoundError: there is none.
    """
    found = connection.execute(select(SOURCES).where(SOURCES.c.name == name)).first()
    if found is None:
        raise NotFoundError(f"No source is called {name}")
    return found


def sources(connection: Connection) -> list[dict[str, Any]]:
    """Return all sources by name."""
    names = ("id", "name", "environment", "language", "is_disabled")
    columns = [SOURCES.c[name] for name in names]
    statement = (
        select(*columns, PROVIDERS.c.code.label("provider"), SOURCES.c.created_at)
        .outerjoin(PROVIDERS, PROVIDERS.c.id == SOURCES.c.provider_id)
        .order_by(SOURCES.c.name)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def add_provider(connection: Connection, new: NewProvider, *, settings: Settings) -> UUID:
    """Add somebody who delivers for us.

    One that is reached over the net and whose callbacks nobody could verify is added paused;
    `settings.allow_private_targets` (development, tests) takes it as it is, and http:// too.

    Raises:
        InputError: what is wrong with it, all at once.
        ConflictError: the code is taken.
    """
    check_provider(new, settings=settings)
    row = _new_row(new, missing(new.channel, new.callback_secret_refs, settings))
    try:
        connection.execute(insert(PROVIDERS).values(row))
    except IntegrityError as error:
        message = f"There is a provider {new.code} already"
        finding = Finding("/code", "unique", message)
        raise ConflictError(message, findings=[finding]) from error
    for hook in provider_added:
        hook(connection, row["id"])
    return UUID(str(row["id"]))


def check_provider(new: NewProvider, *, settings: Settings) -> None:
    """Refuse what no provider can be; nothing is called or read.

    Raises:
        InputError: what is wrong with it, all at once.
    """
    findings = [
        *_findings(new),
        *_target_findings(new, settings),
        *provider_settings.findings(new.settings, new.channel),
    ]
    if findings:
        raise InputError("; ".join(finding.message for finding in findings), findings=findings)


def providers(connection: Connection) -> list[dict[str, Any]]:
    """Return all providers by code, with references but never a secret."""
    columns = (column for column in PROVIDERS.c if column.name != "settings")
    statement = select(*columns).order_by(PROVIDERS.c.code)
    return [dict(row) for row in connection.execute(statement).mappings()]


def provider(connection: Connection, code: str) -> Row[Any]:
    """Return the provider with `code`.

    Raises:
        NotFoundError: there is none.
    """
    found = connection.execute(select(PROVIDERS).where(PROVIDERS.c.code == code)).first()
    if found is None:
        raise NotFoundError(f"No provider has the code {code}")
    return found


def usual_url(channel: str) -> str | None:
    """Return where a provider on `channel` is that says nothing of it; None: nowhere."""
    return SANDBOX_URL if channel == ChannelName.SANDBOX else None


def _new_row(new: NewProvider, lack: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "code": new.code,
        "channel": new.channel,
        "url": new.url or usual_url(new.channel),
        "is_idempotent": new.is_idempotent,
        "auth_ref": new.auth_ref,
        "callback_profile": new.callback_profile,
        "callback_secret_refs": list(new.callback_secret_refs),
        "settings": dict(new.settings),
        "concurrency": new.concurrency,
        "state": str(ProviderState.PAUSED if lack else ProviderState.ACTIVE),
        "state_reason": lack,
        "failures": 0,
        "version": 1,
        "created_at": utcnow(),
    }


def missing(channel: str, secret_refs: Sequence[str], settings: Settings) -> str | None:
    """Say what an enabled provider cannot do without and this one lacks; None: nothing."""
    if secret_refs or channel == ChannelName.SMTP or _is_loose(channel, settings):
        # What became of a mail comes back as mail, and proves itself by our token.
        return None
    return "no callback secret, so nothing it says back could be believed"


def _findings(new: NewProvider) -> list[Finding]:
    """Return what is wrong with a new provider's own words."""
    known_channels, profiles = ", ".join(ChannelName), ", ".join(CALLBACK_PROFILES)
    rules = (
        ("/code", "1 to 60 of a-z 0-9 . _ -", _CODE.fullmatch(new.code)),
        ("/channel", f"one of {known_channels}", new.channel in set(ChannelName)),
        ("/url", f"needed with channel {new.channel}", new.url or new.channel != ChannelName.HTTP),
        (
            "/is_idempotent",
            "mail servers honour no dispatch key",
            not (new.is_idempotent and new.channel == ChannelName.SMTP),
        ),
        ("/callback_profile", f"one of {profiles}", new.callback_profile in CALLBACK_PROFILES),
        (
            "/callback_secret_refs",
            f"at most {MOST_CALLBACK_SECRETS}",
            len(new.callback_secret_refs) <= MOST_CALLBACK_SECRETS,
        ),
        (
            "/concurrency",
            f"1 to {LARGEST_CONCURRENCY}",
            1 <= new.concurrency <= LARGEST_CONCURRENCY,
        ),
    )
    return [
        Finding(where, "provider", f"{where[1:]}: {text}")
        for where, text, is_right in rules
        if not is_right
    ]


def _target_findings(new: NewProvider, settings: Settings) -> list[Finding]:
    """Return what is wrong with its URL and references; nothing is called or read."""
    is_loose = _is_loose(new.channel, settings)
    references = {f"/callback_secret_refs/{n}": r for n, r in enumerate(new.callback_secret_refs)}
    if new.auth_ref:
        references["/auth_ref"] = new.auth_ref
    checks: list[Callable[[], object]] = [
        partial(check_reference, text, where=where) for where, text in references.items()
    ]
    if new.url and new.channel != ChannelName.SMTP:
        checks.append(partial(check_url, new.url, allow_private=is_loose, allow_http=is_loose))
    findings: list[Finding] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            findings.extend(error.findings)
    if new.channel == ChannelName.SMTP:
        findings.extend(mail_route.findings(new.url, new.auth_ref, new.settings, settings))
    return findings


def _is_loose(channel: str, settings: Settings) -> bool:
    """Tell whether the provider may be on a private address and without secrets.

    The sandbox runs beside us and reaches nobody; production has no use for one there.
    """
    is_sandbox = channel == ChannelName.SANDBOX and not settings.is_production
    return settings.allow_private_targets or is_sandbox
