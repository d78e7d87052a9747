"""Recurrence, zones of due instants, the order that a user gives, and room for the words that 0004 fills in.

Revision: 0003. The service's previous version goes on writing rows without naming the new columns.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from mcp_todo_server.tasks.models import Words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NULLABLE: dict[str, sa.types.TypeEngine[Any]] = {
    "due_zone": sa.String(64),
    "recurrence": sa.String(200),
    "series_start": sa.String(26),
    "occurrence": sa.SmallInteger(),
    "next_task_id": sa.BigInteger(),
    "next_version": sa.Integer(),
    "words": Words(),
}


def upgrade() -> None:
    """Add the columns, and the index of the order."""
    for name, kind in NULLABLE.items():
        op.add_column("tasks", sa.Column(name, kind))
    op.add_column("tasks", sa.Column("position", sa.BigInteger, nullable=False, server_default=str(2**62)))
    op.create_index("ix_tasks_status_position", "tasks", ["user_id", "status", "position", "task_id"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_tasks_status_position", "tasks")
    for name in ("position", *NULLABLE):
        op.drop_column("tasks", name)
