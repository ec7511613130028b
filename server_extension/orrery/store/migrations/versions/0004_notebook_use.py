"""What notebooks use"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notebook_use",
        sa.Column("notebook_id", sa.String(40), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=True),
        sa.Column("kept_until", sa.Float(), nullable=True),
        sa.Column("warned", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["notebook_id"], ["resources.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("notebook_id"),
    )
    op.create_table(
        "notebook_samples",
        sa.Column("notebook_id", sa.String(40), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("width", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["notebook_id"], ["resources.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("notebook_id", "at", "width"),
    )


def downgrade() -> None:
    op.drop_table("notebook_samples")
    op.drop_table("notebook_use")
