"""Retention: what is kept for how long, and taking away what is older.

Each package says with `kinds.register` what it keeps; `running` takes away what is due, in batches
that are each whole; `passes` is the one way to change what is otherwise append-only.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:  # noqa: ARG001 - as every package has it
    """Attach what core itself keeps."""
    from core.retention import auditing, kinds, tasks  # noqa: F401

    kinds.register(auditing.KIND)
