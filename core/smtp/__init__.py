"""Sending mail over SMTP (RFC 5321), with a clear ending for each mail.

`send` hands one mail over, on a connection that is kept for the next one, and returns an
`Answer`: whether it was taken, refused, may be tried again, or whether nobody can know. smtplib
is not used for it: its deadline is one for each read, it takes a cut before the end of a mail
for one behind it, signs in with ASCII passwords alone, and encodes domains by the old IDNA.
"""

from core.mail_server import Server
from core.smtp.addresses import Mailbox
from core.smtp.answers import Answer, Refusal, Stage, Verdict
from core.smtp.pool import send

__all__ = ["Answer", "Mailbox", "Refusal", "Server", "Stage", "Verdict", "send"]
