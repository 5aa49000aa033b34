"""What `doctor` says of the mailbox."""

from collections.abc import Iterator

from callbacks.mailbox.imap import ImapMailbox
from callbacks.mailbox.protocol import Address, MailboxError
from core.doctor.findings import Finding, Patient, fail, ok, skipped

TIMEOUT_SECONDS = 4.0


def mailbox(patient: Patient) -> Iterator[Finding]:
    """Sign in at the mailbox and open its folder; no mail is read."""
    url = patient.settings.imap_url
    if not url:
        yield skipped("KUVERT_IMAP_URL is not set: bounces are not heard of")
        return
    address = Address.parse(url)
    try:
        ImapMailbox(address, TIMEOUT_SECONDS).close()
    except MailboxError as error:
        yield fail(f"{error.detail}; bounces wait there", "mend KUVERT_IMAP_URL or the server")
        return
    yield ok(f"{address.shown} lets us in")
