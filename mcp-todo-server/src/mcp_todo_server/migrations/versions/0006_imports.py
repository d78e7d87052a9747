"""By which names imported tasks are known again.

Revision: 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "imports",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("uid", sa.String(255), primary_key=True),
        sa.Column("task_id", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "task_id"],
            ["tasks.user_id", "tasks.task_id"],
            name="fk_imports_task",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_imports_task", "imports", ["user_id", "task_id"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("imports")
