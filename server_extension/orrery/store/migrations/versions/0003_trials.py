"""The trials of tunings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trials",
        sa.Column("tuning_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("training_id", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("targets", sa.Text(), nullable=True),
        sa.Column("target", sa.Float(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tuning_id"], ["resources.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tuning_id", "number"),
    )
    op.create_index("trials_by_status", "trials", ["tuning_id", "status"])
    op.create_index("trials_by_target", "trials", ["tuning_id", "target"])


def downgrade() -> None:
    op.drop_table("trials")
