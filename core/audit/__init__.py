"""The audit: who changed the configuration, what it was before and after, and why.

Each package names its tables with `register`, beside their models. Whoever changes such a table,
by form, service, command, task or bulk statement, leaves one entry per changed row in the same
transaction (`recording`). Raw SQL as text is not seen.
"""

from core.audit.queries import Filter, search
from core.audit.recording import listen
from core.audit.registry import register, watched

__all__ = ["Filter", "listen", "register", "search", "watched"]
