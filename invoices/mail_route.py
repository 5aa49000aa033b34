"""How a provider on the channel smtp sends: its server, its sender, and what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parseaddr
from uuid import UUID

from core import mail_token
from core.errors import Finding, InputError
from core.mail_server import LONGEST_TIMEOUT_SECONDS, Server
from core.secrets import resolve
from core.settings import Settings
from core.smtp import Mailbox
from invoices import provider_settings
from invoices.channels import Route
from invoices.models import ChannelName

NO_SERVER = "needed with channel smtp, unless KUVERT_SMTP_URL is set; such as smtps://USER@HOST"
OWN_SERVER = "; a server of your own network is named in KUVERT_SMTP_URL, and url left out"
NO_SENDER = "needed with channel smtp, unless KUVERT_MAIL_FROM is set"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRoute:
    """Where mails of a provider leave from. `bounces_to` is the address that gets our token.

    `wants_pdf`: True must have one, False none, None where one can be made.
    """

    server: Server
    mail_from: str
    sender_name: str
    bounces_to: str
    reply_to: str | None
    wants_pdf: bool | None


def mail_route(route: Route, settings: Settings) -> MailRoute:
    """Return how a provider sends, with its password.

    Raises:
        InputError: no server or sender is set, or one that cannot be.
        SecretReferenceError: its password cannot be read.
    """
    given = route.settings
    name, address = sender(given, settings)
    if not address:
        raise InputError(f"mail_from: {NO_SENDER}")
    wish = given.get("attach_pdf")
    route_of_mail = MailRoute(
        server=_signed_in(route, settings),
        mail_from=address,
        sender_name=given.get("sender_name", name),
        bounces_to=given.get("bounces_to", address),
        reply_to=given.get("reply_to"),
        wants_pdf=None if wish is None else wish == "yes",
    )
    _check_senders(route_of_mail)
    return route_of_mail


def _check_senders(way: MailRoute) -> None:
    """Make sure of what may have changed since the provider was kept: KUVERT_MAIL_FROM.

    Raises:
        InputError: mails cannot come from there, or bounces and replies not go there.
    """
    longest = provider_settings.LONGEST_SENDER_DOMAIN
    if len(Mailbox.of(way.mail_from).domain) > longest:
        raise InputError(f"mail_from: at most {longest} characters may stand behind the @")
    Mailbox.of(mail_token.envelope_sender("", UUID(int=0), way.bounces_to))
    if way.reply_to:
        Mailbox.of(way.reply_to)


def sender(given: Mapping[str, str], settings: Settings) -> tuple[str, str]:
    """Return name and address that mails come from: a provider's own, else KUVERT_MAIL_FROM."""
    if "mail_from" in given:
        return "", given["mail_from"]
    return parseaddr(settings.mail_from or "")


def findings(
    url: str | None, auth_ref: str | None, given: Mapping[str, str], settings: Settings
) -> list[Finding]:
    """Return what is wrong with how a provider on smtp sends; nothing is called or read."""
    found = list(_sender_findings(given, settings))
    if not url:
        if not settings.smtp_url:
            found.append(Finding("/url", "provider", f"url: {NO_SERVER}"))
        if auth_ref:
            why = "auth_ref: the password belongs to a user in url, and there is no url"
            found.append(Finding("/auth_ref", "provider", why))
        return found
    try:
        server = Server.of(url, allow_private=settings.allow_private_targets)
    except InputError as error:
        hint = OWN_SERVER if _could_be_own(url) else ""
        return [*found, *(replace(one, message=one.message + hint) for one in error.findings)]
    return [*found, *_login_findings(server, auth_ref)]


def _could_be_own(url: str) -> bool:
    """Tell whether the operator may name this server, though a provider may not."""
    try:
        Server.of(url)
    except InputError:
        return False
    return True


def _sender_findings(given: Mapping[str, str], settings: Settings) -> list[Finding]:
    _, address = sender(given, settings)
    where = "/settings/mail_from"
    if not address:
        return [Finding(where, "provider", f"mail_from: {NO_SENDER}")]
    if provider_settings.findings({"mail_from": address}, ChannelName.SMTP):
        return []  # it is told as a setting that is wrong
    if "bounces_to" not in given and not provider_settings.has_room_for_token(address):
        why = f"bounces go to {address}, which must be {provider_settings.ROOM_FOR_BOUNCES}"
        return [Finding(where, "provider", f"{why}; or set bounces_to")]
    return []


def _login_findings(server: Server, auth_ref: str | None) -> list[Finding]:
    if server.password:
        why = "url: a password does not belong here; take it out and name its place in auth_ref"
        return [Finding("/url", "provider", why)]
    if server.user and not auth_ref:
        why = "auth_ref: needed, for url names a user: env:NAME or file:/path of the password"
        return [Finding("/auth_ref", "provider", why)]
    if auth_ref and not server.user:
        why = "url: needed is the user that the password belongs to, such as smtps://USER@HOST"
        return [Finding("/url", "provider", why)]
    return []


def _signed_in(route: Route, settings: Settings) -> Server:
    if route.url:
        server = Server.of(route.url, allow_private=settings.allow_private_targets)
        if route.auth_ref:
            server = server.signing_in(resolve(route.auth_ref))
    elif settings.smtp_url:
        server = Server.of(settings.smtp_url)
    else:
        raise InputError(f"url: {NO_SERVER}")
    seconds = route.settings.get("timeout_seconds")
    return server.within(min(float(seconds), LONGEST_TIMEOUT_SECONDS)) if seconds else server
