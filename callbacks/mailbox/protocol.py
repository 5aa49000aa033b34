"""What reading needs of a mailbox, whatever it is behind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

from core.errors import UnavailableError

INBOX = "INBOX"
_PORTS = {"imaps": 993, "imap": 143}


class MailboxError(UnavailableError):
    """The mailbox cannot be read now; the message says why and holds no password."""


class Folder(StrEnum):
    """Where a mail goes that was taken in."""

    PROCESSED = "Processed"
    UNMATCHED = "Unmatched"


PARENT = "Kuvert"
"""The folder that holds ours."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a mailbox is and who signs in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str
    is_encrypted: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL that the settings have checked: `imaps://user:password@host:port/folder`."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            folder=unquote(parts.path.strip("/")) or INBOX,
            is_encrypted=parts.scheme == "imaps",
        )

    @property
    def shown(self) -> str:
        """Return it for people, without the password."""
        return f"{self.user} at {self.host}, {self.folder}"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it came. `size` is larger than `raw` when only its beginning was fetched."""

    uid: int
    raw: bytes
    size: int


class Mailbox(Protocol):
    """One folder of a mailbox, signed in.

    `uid_validity` changes when the server gave its mails new numbers (RFC 3501 §2.3.1.1). All
    methods raise MailboxError.
    """

    uid_validity: int
    can_move: bool

    def uids(self) -> list[int]:
        """Return the numbers of all mails in the folder, ascending."""

    def read(self, uids: Sequence[int]) -> Iterator[list[Mail]]:
        """Fetch mails in groups that fit in memory; those that are gone are left out."""

    def move(self, uids: Sequence[int], folder: Folder) -> None:
        """Move mails to one of our folders, which is made when it is missing."""

    def close(self) -> None:
        """Sign out."""
