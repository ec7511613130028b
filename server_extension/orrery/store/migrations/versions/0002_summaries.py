"""Indexes that the overview counts from"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEWER = ("owner", "visibility", "group_name")
INDEXES = {
    "resources_by_phase": ("kind", "phase", "deleted_at", *VIEWER),
    "resources_by_creation": ("kind", "deleted_at", "created_at", *VIEWER),
    "resources_by_end": ("kind", "deleted_at", "phase", "ended_at", *VIEWER),
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "resources", list(columns), unique=False)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name="resources")
