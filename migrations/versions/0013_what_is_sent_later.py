"""When a delivery was asked to go, so that to hold and release it does not forget that."""

import sqlalchemy as sa
from alembic import op

from core.types import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
phase = "add"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("send_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("deliveries", "send_at")
