"""The mailbox on a real server, and what servers do wrong."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from callbacks.mailbox import imap
from callbacks.mailbox.imap import ImapMailbox
from callbacks.mailbox.protocol import Address, Folder, MailboxError
from tests.support.mailbox import URL_PASSWORD, Client, Dovecot, dovecot, mail
from tests.support.ports import free_port

WITHOUT_MOVE = "protocol imap {\n  imap_capability = IMAP4rev1 UIDPLUS\n}"


def opened(url: str) -> ImapMailbox:
    return ImapMailbox(Address.parse(url), timeout_seconds=5)


@contextmanager
def talker(*lines: bytes) -> Iterator[str]:
    """A server that says these lines, whatever it is asked, and then nothing; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        # The test may be over before anybody was served.
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            held.append(connection)
            for line in lines:
                connection.sendall(line)
                if not connection.recv(4096):
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"imap://u:hunter2@127.0.0.1:{listener.getsockname()[1]}/INBOX"
    finally:
        listener.close()
        for connection in held:
            connection.close()
        thread.join(5)


def test_an_address_is_read_from_its_url() -> None:
    address = Address.parse("imaps://a%40b:p%2Fw@mail.example.org/In%20Box/Sub")

    assert address == Address(
        host="mail.example.org",
        port=993,
        user="a@b",
        password="p/w",
        folder="In Box/Sub",
        is_encrypted=True,
    )
    assert address.shown == "a@b at mail.example.org, In Box/Sub"
    assert "p/w" not in repr(address)


def test_mails_are_listed_fetched_and_moved(server: Dovecot, url: str, box: Client) -> None:
    box.put(mail("One"), mail("Two"), mail("Three"))
    mailbox = opened(url)

    uids = mailbox.uids()
    [mails] = list(mailbox.read(uids))
    mailbox.move(uids[:2], Folder.PROCESSED)
    mailbox.move(uids[2:], Folder.UNMATCHED)
    mailbox.close()

    assert [one.raw for one in mails] == [mail("One"), mail("Two"), mail("Three")]
    assert all(one.size == len(one.raw) for one in mails)
    assert box.bodies("Kuvert.Processed") == [mail("One"), mail("Two")]
    assert box.bodies("Kuvert.Unmatched") == [mail("Three")]
    assert box.bodies() == []


def test_a_mail_that_is_gone_is_left_out(server: Dovecot, url: str, box: Client) -> None:
    box.put(mail("One"))
    mailbox = opened(url)

    [mails] = list(mailbox.read([1, 77]))
    mailbox.move([77], Folder.PROCESSED)
    mailbox.close()

    assert [one.uid for one in mails] == [1]


def test_large_mails_are_fetched_in_small_groups(
    server: Dovecot, url: str, box: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "GROUP_BYTES", 1000)
    box.put(*(mail(str(number), "x" * 700) for number in range(5)))
    mailbox = opened(url)

    groups = [[one.uid for one in group] for group in mailbox.read(mailbox.uids())]
    mailbox.close()

    assert groups == [[1], [2], [3], [4], [5]]


def test_a_folder_of_another_name_is_read(server: Dovecot, user: str, box: Client) -> None:
    box.imap.create("B&APw-cher")
    box.put(mail("One"), folder="B&APw-cher")

    mailbox = opened(server.url(user, folder="B%C3%BCcher"))

    assert mailbox.uids() == [1]
    mailbox.close()


def test_without_move_only_our_own_are_taken_out(
    user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dovecot(WITHOUT_MOVE) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        with server.client(user) as box:
            box.put(mail("Marked by a person"))
            box.flag_all(r"(\Deleted)")
            box.put(mail("Ours"))
            mailbox = opened(server.url(user))

            mailbox.move([2], Folder.PROCESSED)
            mailbox.close()

            assert box.bodies() == [mail("Marked by a person")]
            assert box.bodies("Kuvert.Processed") == [mail("Ours")]


def test_a_wrong_password_is_said_and_not_shown(
    server: Dovecot, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(MailboxError) as refused:
        opened(server.url(user, password="hunter2"))

    assert refused.value.detail == f"login refused for {user} at localhost, INBOX"
    assert "hunter2" not in caplog.text


def test_a_folder_that_is_not_there_is_said(server: Dovecot, user: str) -> None:
    with pytest.raises(MailboxError, match=r"box.* at localhost, Nowhere: .*doesn't exist"):
        opened(server.url(user, folder="Nowhere"))


def test_a_certificate_that_nobody_vouches_for_is_refused(
    server: Dovecot, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(MailboxError, match="its certificate is not trusted"):
        opened(url)


def test_a_certificate_for_another_name_is_refused(server: Dovecot, user: str) -> None:
    elsewhere = f"imaps://{user}:{URL_PASSWORD}@127.0.0.2:{server.port}/INBOX"

    with pytest.raises(MailboxError, match=r"its certificate is not trusted|Connection refused"):
        opened(elsewhere)


def test_nobody_there_is_said() -> None:
    with pytest.raises(MailboxError, match=r"u at 127.0.0.1, INBOX: Connection refused"):
        opened(f"imap://u:hunter2@127.0.0.1:{free_port()}/INBOX")


def test_a_server_that_hangs_after_its_greeting_is_left() -> None:
    with (
        talker(b"* OK hello\r\n") as url,
        pytest.raises(MailboxError, match="no answer within the time"),
    ):
        ImapMailbox(Address.parse(url), timeout_seconds=0.3)


@pytest.mark.parametrize(
    "line",
    [b"220 mail ESMTP\r\n", b"* BYE go away\r\n", b"\x00\xff\r\n", b"* OK [UIDVALIDITY x\r\n", b""],
)
def test_rubbish_is_an_error_and_no_crash(line: bytes) -> None:
    with talker(line, line, line) as url, pytest.raises(MailboxError) as refused:
        ImapMailbox(Address.parse(url), timeout_seconds=0.3)
    assert "hunter2" not in refused.value.detail


def test_a_short_body_may_stand_in_the_line() -> None:
    data = [b'3 (UID 9 BODY[] "a \\"b\\"")', b"4 (UID 10 BODY[] NIL)", b"5 (FLAGS (\\Seen))", None]

    assert imap._bodies(data) == {9: b'a "b"', 10: b""}


def test_a_number_may_follow_the_body() -> None:
    data = [(b"3 (BODY[] {2}", b"hi"), b" UID 9)", b"4 (FLAGS ())"]

    assert imap._bodies(data) == {9: b"hi"}


def test_the_machines_own_store_is_asked() -> None:
    assert ssl.create_default_context().check_hostname
