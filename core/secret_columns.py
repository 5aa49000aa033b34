"""The written list of columns that hold secrets, or what would help somebody to find one.

What is on it leaves the database for checks alone: no list, page, form, search or export shows it,
and the audit only says that it changed. A test asks of every other column whose name sounds like a
secret why it is none.
"""

from collections.abc import Mapping

from sqlalchemy import Table

SECRET: Mapping[str, frozenset[str]] = {
    "api_keys": frozenset({"secret_sha256"}),
    "login_failures": frozenset({"key", "account"}),
    "passkeys": frozenset({"credential_id", "public_key"}),
    "users": frozenset(
        {
            "password",
            "fs_uniquifier",
            "fs_webauthn_user_handle",
            "tf_totp_secret",
            "tf_last_counter",
            "mf_recovery_codes",
        }
    ),
}
"""Table → its secret columns."""


def of(table: Table) -> frozenset[str]:
    """Return the names of a table's secret columns."""
    return SECRET.get(table.name, frozenset())
