"""Users, tasks, tags and effects.

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("last_task_id", sa.BigInteger, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("tokens_valid_from", INSTANT),
    )
    op.create_table(
        "tasks",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("task_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("search_text", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("priority_rank", sa.SmallInteger, nullable=False),
        sa.Column("due", sa.Date),
        sa.Column("due_at", INSTANT),
        sa.Column("due_until", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("completed_at", INSTANT),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_tasks_user"),
    )
    op.create_index("ix_tasks_status_number", "tasks", ["user_id", "status", "task_id"])
    op.create_index("ix_tasks_status_due", "tasks", ["user_id", "status", "due_until", "task_id"])
    op.create_index("ix_tasks_status_priority", "tasks", ["user_id", "status", "priority_rank", "task_id"])
    op.create_index("ix_tasks_status_updated", "tasks", ["user_id", "status", "updated_at", "task_id"])
    op.create_table(
        "task_tags",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("task_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tag", sa.String(150), primary_key=True),
        sa.Column("label", sa.String(50), nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "task_id"],
            ["tasks.user_id", "tasks.task_id"],
            name="fk_task_tags_task",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_task_tags_tag", "task_tags", ["user_id", "tag", "task_id"])
    op.create_table(
        "effects",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("effect_key", sa.String(255), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("effects", "task_tags", "tasks", "users"):
        op.drop_table(table)
