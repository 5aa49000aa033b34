"""The mailbox that answers to our mails come to: read, kept raw, moved, never deleted."""
