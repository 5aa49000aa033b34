"""A mailbox on an IMAP server (RFC 3501), through imap-tools.

Mails are fetched as bytes and not parsed here: imap-tools' own message class would parse each
as it comes, and a hostile one would end the run.
"""

import contextlib
import imaplib
import logging
import re
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

from imap_tools import BaseMailBox, MailBox, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxLoginError
from imap_tools.utils import encode_folder

from callbacks.mailbox.protocol import PARENT, Address, Folder, Mail, MailboxError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30.0
"""The longest silence of the server that is borne."""

LARGEST = 5 * 1024 * 1024
"""Up to here a mail is fetched whole, in bytes."""

BEGINNING = 1024 * 1024
"""So much is fetched of a larger one; reports stand before the mail that they return."""

GROUP_BYTES = 8 * 1024 * 1024

_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_QUOTED = re.compile(rb'BODY\[\](?:<\d+>)? (?:"((?:[^"\\]|\\.)*)"|NIL)', re.DOTALL)
_PERSONAL = re.compile(rb'\(\("((?:[^"\\]|\\.)*)" (?:"(\\?.)"|NIL)')
_DELIMITER = re.compile(rb'\) "(\\?.)"')

_TROUBLE = (OSError, imaplib.IMAP4.error, ImapToolsError, ValueError, LookupError)
"""What a server that is away, refuses or talks rubbish makes of a command."""


class ImapMailbox:
    """One folder of an IMAP server, signed in.

    Raises:
        MailboxError: the server is away, its certificate is not trusted, or it refuses.
    """

    def __init__(self, address: Address, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = address
        self._folders: dict[Folder, str] = {}
        with self._told():
            self._box = _connect(address, timeout_seconds)
        try:
            with self._told():
                self._sign_in()
                self._open()
        except MailboxError:
            self._hang_up()
            raise

    def _sign_in(self) -> None:
        try:
            # PLAIN carries any character; LOGIN only ASCII, and some servers refuse one of them.
            if self._address.is_encrypted and "AUTH=PLAIN" in self._box.client.capabilities:
                self._box.login_utf8(self._address.user, self._address.password, None)
            else:
                self._box.login(self._address.user, self._address.password, None)
        except (MailboxLoginError, imaplib.IMAP4.error) as error:
            if isinstance(error, imaplib.IMAP4.abort):
                raise
            raise MailboxError(f"login refused for {self._address.shown}") from None

    def _open(self) -> None:
        """Ask what the server can do now that it knows us, and select the folder."""
        self._capabilities = set(b" ".join(self._answer("capability")).decode().upper().split())
        self.can_move = bool({"MOVE", "UIDPLUS"} & self._capabilities)
        self._box.folder.set(self._address.folder)
        _, [validity] = self._box.client.response("UIDVALIDITY")
        self.uid_validity = int(validity or 0)

    def uids(self) -> list[int]:
        """Return the numbers of all mails in the folder, ascending."""
        with self._told():
            return sorted(int(uid) for uid in self._box.uids(charset=None))

    def read(self, uids: Sequence[int]) -> Iterator[list[Mail]]:
        """Fetch mails in groups that fit in memory; those that are gone are left out."""
        with self._told():
            sizes = self._sizes(uids)
        for group in _groups(sizes):
            with self._told():
                mails = self._fetch(group, sizes)
            yield mails

    def move(self, uids: Sequence[int], folder: Folder) -> None:
        """Move mails to one of our folders, which is made when it is missing."""
        if not uids:
            return
        wanted = _set(uids)
        with self._told():
            name = encode_folder(self._name_of(folder))
            if "MOVE" in self._capabilities:
                self._uid("MOVE", wanted, name)
                return
            self._uid("COPY", wanted, name)
            self._uid("STORE", wanted, "+FLAGS.SILENT", r"(\Deleted)")
            # Of these alone: a plain EXPUNGE would take what other programs have marked.
            self._uid("EXPUNGE", wanted)

    def close(self) -> None:
        """Sign out; a server that does not answer is simply left."""
        try:
            self._box.logout()
        except _TROUBLE as error:
            logger.debug("no answer to LOGOUT", extra={"error": str(error)})
            self._hang_up()

    def _sizes(self, uids: Sequence[int]) -> dict[int, int]:
        found = {}
        for item in self._uid("FETCH", _set(uids), "(UID RFC822.SIZE)"):
            uid, size = _UID.search(item or b""), _SIZE.search(item or b"")
            if uid and size:
                found[int(uid[1])] = int(size[1])
        return {uid: found[uid] for uid in uids if uid in found}

    def _fetch(self, uids: Sequence[int], sizes: dict[int, int]) -> list[Mail]:
        """Fetch a group; where the server cannot, one by one, leaving out what it cannot give."""
        is_whole = sizes[uids[0]] <= LARGEST
        part = "" if is_whole else f"<0.{BEGINNING}>"
        try:
            bodies = _bodies(self._uid("FETCH", _set(uids), f"(UID BODY.PEEK[]{part})"))
        except _RefusedError as error:
            if len(uids) > 1:
                return [mail for uid in uids for mail in self._fetch([uid], sizes)]
            logger.warning("a mail cannot be fetched", extra={"uid": uids[0], "error": str(error)})
            return []
        # What a server says of a size may be wrong by the line endings.
        return [
            Mail(uid, bodies[uid], len(bodies[uid]) if is_whole else sizes[uid])
            for uid in uids
            if uid in bodies
        ]

    def _name_of(self, folder: Folder) -> str:
        """Return the name of a folder of ours on this server; makes it when it is missing."""
        if folder not in self._folders:
            prefix, delimiter = self._layout()
            name = f"{prefix}{PARENT}{delimiter}{folder}"
            if not self._box.folder.exists(name):
                self._box.folder.create(name)
                self._box.folder.subscribe(name, value=True)
            self._folders[folder] = name
        return self._folders[folder]

    def _layout(self) -> tuple[str, str]:
        """Return what one's own folders begin with, and what parts their levels (RFC 2342)."""
        if "NAMESPACE" in self._capabilities:
            match = _PERSONAL.search(self._answer("namespace")[0] or b"")
            if match:
                return match[1].decode(), (match[2] or b"/").decode()[-1]
        [line, *_] = self._answer("list", '""', '""')
        match = _DELIMITER.search(line or b"")
        return "", match[1].decode()[-1] if match else "/"

    def _answer(self, command: str, *arguments: str) -> list[bytes]:
        status, data = getattr(self._box.client, command)(*arguments)
        if status != "OK":
            raise _RefusedError(command, data)
        return [item for item in data if isinstance(item, bytes)]

    def _uid(self, command: str, *arguments: str | bytes) -> list[Any]:
        status, data = self._box.client.uid(command, *arguments)  # type: ignore[arg-type]
        if status != "OK":
            raise _RefusedError(command, data)
        return list(data)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Make one line of whatever goes wrong with the server.

        Raises:
            MailboxError: naming the mailbox and what happened.
        """
        try:
            yield
        except _TROUBLE as error:
            raise MailboxError(f"{self._address.shown}: {_cause(error)}") from error

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._box.client.shutdown()


class _RefusedError(ImapToolsError):
    """The server said NO or BAD to a command."""

    def __init__(self, command: str, data: Sequence[object]) -> None:
        said = b" ".join(item for item in data if isinstance(item, bytes))
        super().__init__(f"{command.upper()} refused: {said.decode(errors='replace')[:200]}")


def _connect(address: Address, timeout_seconds: float) -> BaseMailBox:
    if not address.is_encrypted:
        return MailBoxUnencrypted(address.host, address.port, timeout_seconds)
    # What the machine trusts; SSL_CERT_FILE and SSL_CERT_DIR name another store.
    context = ssl.create_default_context()
    return MailBox(address.host, address.port, timeout_seconds, ssl_context=context)


def _set(uids: Sequence[int]) -> str:
    return ",".join(str(uid) for uid in uids)


def _groups(sizes: dict[int, int]) -> Iterator[list[int]]:
    """Split into groups of at most `GROUP_BYTES`, in order; what is fetched in part is alone."""
    group: list[int] = []
    room = GROUP_BYTES
    for uid, size in sizes.items():
        is_large = size > LARGEST
        if group and (is_large or size > room):
            yield group
            group, room = [], GROUP_BYTES
        if is_large:
            yield [uid]
            continue
        group.append(uid)
        room -= size
    if group:
        yield group


def _bodies(data: Sequence[Any]) -> dict[int, bytes]:
    """Return the mails of a FETCH answer by their numbers.

    imaplib gives a literal as a pair with what stood before it, and what followed as the next
    item; a short body may also stand in one line, and news of other mails between them.
    """
    found = {}
    for at, item in enumerate(data):
        if isinstance(item, tuple):
            tail = data[at + 1] if at + 1 < len(data) else b""
            uid = _UID.search(item[0]) or (_UID.search(tail) if isinstance(tail, bytes) else None)
            body = item[1]
        else:
            quoted = _QUOTED.search(item or b"")
            uid = _UID.search(item or b"") if quoted else None
            body = re.sub(rb"\\(.)", rb"\1", (quoted[1] or b"") if quoted else b"")
        if uid:
            found[int(uid[1])] = body
    return found


def _cause(error: Exception) -> str:
    """Say in a few words what went wrong."""
    if isinstance(error, TimeoutError):
        return "no answer within the time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
