"""Who suppressed an address by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
phase = "add"


def upgrade() -> None:
    op.add_column("suppressions", sa.Column("suppressed_by", sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column("suppressions", "suppressed_by")
