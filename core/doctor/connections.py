"""What Kuvert connects to, or is connected to at: addresses, TLS, mail, Logstash."""

import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from urllib.parse import urlsplit

from core import mailer
from core.clock import utcnow
from core.doctor.findings import Finding, Patient, fail, ok, skipped, warn
from core.logs import wire_to
from core.mail_server import Server
from core.setting_values import LOOPBACK
from core.smtp.answers import SmtpError
from core.smtp.session import Session

CONNECT_SECONDS = 4.0
MAIL_SECONDS = 8.0
SOON = timedelta(days=14)
HTTPS_PORT = 443


def public_address(patient: Patient) -> Iterator[Finding]:
    """See that the public name leads somewhere, with a certificate that is good for a while."""
    parts = urlsplit(patient.settings.public_url)
    host = parts.hostname or ""
    if host in LOOPBACK or parts.scheme == "http":
        yield skipped(f"{patient.settings.public_url} is for this machine or without TLS")
        return
    try:
        found = socket.getaddrinfo(host, parts.port or HTTPS_PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield fail(f"{host} has no address: {error}", "mend its DNS entry, or KUVERT_PUBLIC_URL")
        return
    finding = connect([str(one[4][0]) for one in found], parts.port or HTTPS_PORT, host)
    if "certificate" in finding.means:
        yield finding
    else:
        # Behind some routers a machine does not reach its own public address.
        yield warn(f"from here {finding.means}", "try it from outside", about=host)


def connect(addresses: Sequence[str], port: int, tls_name: str | None) -> Finding:
    """Connect to the first address that answers, with TLS where a name is given."""
    trouble = "no address answers"
    for address in addresses:
        try:
            with socket.create_connection((address, port), timeout=CONNECT_SECONDS) as plain:
                return (
                    ok(f"{address}:{port} answers") if tls_name is None else _tls(plain, tls_name)
                )
        except ssl.SSLCertVerificationError as error:
            return fail(
                f"its certificate is not trusted: {error.verify_message}",
                "renew it, or trust its authority (SSL_CERT_FILE)",
            )
        except OSError as error:
            trouble = f"{address}:{port} does not answer: {error.strerror or error}"
    return fail(trouble, "is it running, and does a firewall let us through?")


def _tls(plain: socket.socket, name: str) -> Finding:
    with ssl.create_default_context().wrap_socket(plain, server_hostname=name) as wrapped:
        certificate = wrapped.getpeercert() or {}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    words = f"the certificate is good until {until:%Y-%m-%d}"
    return warn(words, "renew it") if until - utcnow() < SOON else ok(words)


def private_targets(patient: Patient) -> Iterator[Finding]:
    """Say whether providers and subscribers may be inside our own network."""
    if patient.settings.allow_private_targets:
        yield warn(
            "whoever may set a URL can have Kuvert call machines of your own network",
            "KUVERT_ALLOW_PRIVATE_TARGETS=off",
        )
    else:
        yield ok("refused, as they should be")


def mail_server(patient: Patient) -> Iterator[Finding]:
    """Sign in at Kuvert's own mail server, without sending anything."""
    url = patient.settings.smtp_url
    if not url:
        yield skipped("KUVERT_SMTP_URL is not set: no reports, no links to new passwords by mail")
        return
    if not mailer.is_set_up(patient.settings):
        yield warn("KUVERT_MAIL_FROM is not set, so no mail can be sent", "set it")
    yield sign_in(Server.of(url))


def sign_in(server: Server) -> Finding:
    """Connect, encrypt and log in as for a mail."""
    try:
        Session(server, monotonic() + min(MAIL_SECONDS, server.timeout_seconds)).close()
    except SmtpError as error:
        answer = error.answer
        said = f"{answer.code} {answer.text}" if answer.code else answer.text
        return fail(
            f"{server.shown} does not let us in ({answer.stage}): {said}",
            "mend host, port, user or password in its URL, or the server",
        )
    way = "with TLS" if server.is_encrypted else "without TLS"
    return ok(f"{server.shown} lets us in {way}" + (" and login" if server.user else ""))


def logstash(patient: Patient) -> Iterator[Finding]:
    """Connect to the receiver of log lines."""
    url = patient.settings.logstash_url
    if not url:
        yield skipped("KUVERT_LOGSTASH_URL is not set")
        return
    wire = wire_to(url, patient.settings)
    try:
        wire.open()
        wire.hang_up()
    except (OSError, UnicodeError) as error:
        yield warn(
            f"{wire.where} takes no log lines: {error}; lines are dropped, work goes on",
            "manage.py logs test says more",
        )
        return
    yield ok(f"{wire.where} takes connections")
