"""When each step of a run began and ended, and what became of its earlier attempts.

Revision: 0003. Everything is nullable, so that replicas on 0002 go on beside it; what they write is shown as unknown.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

COLUMNS = {
    "runs": (
        sa.Column("queued_at", INSTANT),
        sa.Column("attempt_began_at", INSTANT),
        sa.Column("timed_attempt", sa.Integer),
        sa.Column("paused_at", INSTANT),
        sa.Column("measured", sa.Text),
    ),
    "model_responses": (
        sa.Column("attempt", sa.Integer),
        sa.Column("asked_at", INSTANT),
        sa.Column("first_word_at", INSTANT),
        sa.Column("previous_stored_at", INSTANT),
    ),
    "tool_calls": (
        sa.Column("attempt", sa.Integer),
        sa.Column("sent_at", INSTANT),
        sa.Column("previous_stored_at", INSTANT),
    ),
}


def upgrade() -> None:
    """Add the times and the table of earlier attempts."""
    for table, added in COLUMNS.items():
        for column in added:
            op.add_column(table, column._copy())
    op.create_table(
        "run_attempts",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("began_at", INSTANT),
        sa.Column("paused_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("ending", sa.String(16), nullable=False),
        sa.Column("error_type", sa.String(64)),
        sa.Column("error_detail", sa.Text),
        sa.Column("measured", sa.Text),
        sa.ForeignKeyConstraint(
            ["user_id", "run_id"], ["runs.user_id", "runs.run_id"], name="fk_run_attempts_run", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("run_attempts")
    for table, added in COLUMNS.items():
        for column in added:
            op.drop_column(table, column.name)
