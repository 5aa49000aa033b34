"""A mailbox on a Dovecot of the test's own: on loopback, with TLS, run by nobody special."""

import imaplib
import os
import pwd
import shutil
import signal
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.data import missing
from tests.support.ports import free_port
from tests.support.processes import wait_until

PROGRAM = "/usr/sbin/dovecot"
USER, PASSWORD = "bounces", "s3cret/with@signs"
URL_PASSWORD = "s3cret%2Fwith%40signs"
START_SECONDS = 15

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{more}
"""


class Dovecot:
    """An IMAP server with one mailbox; every name signs in with the same password."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.authority = folder / "authority.pem"
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        (folder / "mail").mkdir()
        (folder / "run").mkdir()
        make_certificates(folder)
        (folder / "dovecot.conf").write_text(self._configuration(more))
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def _configuration(self, more: str) -> str:
        return CONFIGURATION.format(
            folder=self.folder,
            user=self._owner.pw_name,
            group=_group_name(self._owner.pw_gid),
            uid=self._owner.pw_uid,
            gid=self._owner.pw_gid,
            password=PASSWORD,
            port=self.port,
            more=more,
        )

    def url(self, user: str = USER, password: str = URL_PASSWORD, folder: str = "INBOX") -> str:
        """Return what KUVERT_IMAP_URL would be."""
        return f"imaps://{user}:{password}@localhost:{self.port}/{folder}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        # Dovecot will not run as root, and need not.
        is_root = os.geteuid() == 0
        with (self.folder / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(
                (PROGRAM, "-F", "-c", str(self.folder / "dovecot.conf")),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                process_group=0,
                user=self._owner.pw_uid if is_root else None,
                group=self._owner.pw_gid if is_root else None,
                extra_groups=[] if is_root else None,
            )
        wait_until(self._listens, START_SECONDS, "Dovecot takes connections")

    def stop(self) -> None:
        """Stop it, and what belongs to it."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(10)

    def _listens(self) -> bool:
        try:
            self.client().__exit__()
        except (OSError, imaplib.IMAP4.abort):
            return False
        return True

    def client(self, user: str = USER) -> "Client":
        """Sign in as the test's own reader of the mailbox."""
        return Client(self, user)


class Client:
    """Looks into the mailbox, and puts mails there as a mail server would."""

    def __init__(self, server: Dovecot, user: str) -> None:
        context = ssl.create_default_context(cafile=str(server.authority))
        self.imap = imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context, timeout=10)
        self.imap.login(user, PASSWORD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.imap.logout()

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Deliver mails."""
        for mail in mails:
            status, said = self.imap.append(folder, "", "", mail)
            assert status == "OK", said

    def bodies(self, folder: str = "INBOX") -> list[bytes]:
        """Return the mails of a folder as they are; empty for a folder that is not there."""
        status, _ = self.imap.select(folder, readonly=True)
        if status != "OK":
            return []
        _, data = self.imap.uid("FETCH", "1:*", "(BODY.PEEK[])")
        return [item[1] for item in data if isinstance(item, tuple)]

    def flag_all(self, flag: str, folder: str = "INBOX") -> None:
        """Put a flag on every mail of a folder."""
        self.imap.select(folder)
        self.imap.uid("STORE", "1:*", "+FLAGS.SILENT", flag)

    def move_all(self, source: str, target: str) -> None:
        """Move every mail from one folder to another, as a person would."""
        self.imap.select(source)
        self.imap.uid("MOVE", "1:*", target)

    def folders(self) -> list[str]:
        """Return the names of all folders."""
        _, lines = self.imap.list()
        return sorted(line.decode().rpartition(" ")[2] for line in lines if isinstance(line, bytes))


@contextmanager
def dovecot(more: str = "") -> Iterator[Dovecot]:
    """Yield a server that has started; ends it afterwards and takes its folder away."""
    if not Path(PROGRAM).is_file():
        missing("Dovecot", "make services, or apt-get install dovecot-imapd")
    # Sockets have short names, and the folders of pytest let nobody else in.
    folder = Path(tempfile.mkdtemp(prefix="kuvert-imap-"))
    server = Dovecot(folder, more)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def mail(
    subject: str = "Hello",
    body: str = "Good day.\r\n",
    headers: Sequence[tuple[str, str]] = (),
    *,
    message_id: str | None = None,
) -> bytes:
    """Write a small mail."""
    head = [
        ("From", "somebody@example.org"),
        ("To", "bounces@example.com"),
        ("Subject", subject),
        *([("Message-ID", message_id)] if message_id else []),
        *headers,
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    return f"{lines}\r\n{body}".encode()


def _group_name(gid: int) -> str:
    import grp

    return grp.getgrgid(gid).gr_name


def make_certificates(folder: Path) -> None:
    """Write an authority and a certificate for localhost that it has signed."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("Kuvert tests", authority_key, None, authority_key)
    server = _certificate("localhost", key, authority, authority_key)
    (folder / "authority.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
