"""How far the rate of a provider is used up."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
phase = "add"


def upgrade() -> None:
    op.add_column("providers", sa.Column("rated_until", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("providers", "rated_until")
