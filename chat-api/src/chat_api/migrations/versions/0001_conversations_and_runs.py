"""Conversations, messages, runs and tool calls.

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ACTIVE = sa.text("status IN ('running', 'requires_action')")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("last_conversation_id", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "conversations",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("conversation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("last_message_id", sa.BigInteger, nullable=False),
        sa.Column("last_run_id", sa.String(36)),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_conversations_user"),
    )
    op.create_index("ix_conversations_updated", "conversations", ["user_id", "updated_at", "conversation_id"])
    op.create_table(
        "runs",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column("conversation_id", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_expires_at", sa.Double),
        sa.Column("error_type", sa.String(64)),
        sa.Column("error_detail", sa.Text),
        sa.Column("model_requests", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["user_id", "conversation_id"],
            ["conversations.user_id", "conversations.conversation_id"],
            name="fk_runs_conversation",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_runs_conversation", "runs", ["user_id", "conversation_id", "run_id"])
    op.create_index("ix_runs_lease", "runs", ["lease_expires_at"], postgresql_where=ACTIVE, sqlite_where=ACTIVE)
    op.create_index(
        "uq_runs_active",
        "runs",
        ["user_id", "conversation_id"],
        unique=True,
        postgresql_where=ACTIVE,
        sqlite_where=ACTIVE,
    )
    op.create_table(
        "messages",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("conversation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("message_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("user_id", "run_id", "role", name="uq_messages_run_role"),
        sa.ForeignKeyConstraint(
            ["user_id", "run_id"], ["runs.user_id", "runs.run_id"], name="fk_messages_run", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "tool_calls",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column("response_ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("call_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tool_name", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("is_error", sa.Boolean),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["user_id", "run_id"],
            ["runs.user_id", "runs.run_id"],
            name="fk_tool_calls_run",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("tool_calls", "messages", "runs", "conversations", "users"):
        op.drop_table(table)
