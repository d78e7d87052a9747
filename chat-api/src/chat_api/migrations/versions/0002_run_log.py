"""Runs that survive: their log, queue, approvals, keys and costs.

Revision: 0002. What it adds to existing tables has server defaults, so that replicas on 0001 go on beside it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ZERO = sa.text("0")
ONE = sa.text("1")

COLUMNS = {
    "users": (
        sa.Column("minute", sa.BigInteger, nullable=False, server_default=ZERO),
        sa.Column("runs_in_minute", sa.Integer, nullable=False, server_default=ZERO),
    ),
    "conversations": (
        sa.Column("last_run_number", sa.BigInteger, nullable=False, server_default=ONE),
        sa.Column("queued_runs", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("client_thread_id", sa.String(255)),
        sa.Column("deleted_at", INSTANT),
    ),
    "runs": (
        sa.Column("number", sa.BigInteger, nullable=False, server_default=ZERO),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("approval_expires_at", sa.Double),
        sa.Column("recoveries", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("journal_mark", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("unsettled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("replaces", sa.String(36)),
        sa.Column("replaced", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("client_run_id", sa.String(255)),
        sa.Column("events_kept", sa.Boolean, nullable=False, server_default=sa.true()),
    ),
    "tool_calls": (sa.Column("approval", sa.String(8)),),
}
PARTIAL_INDEXES = (
    ("ix_runs_queued", ["user_id", "conversation_id", "number"], sa.text("status = 'queued'")),
    ("ix_runs_approval", ["approval_expires_at"], sa.text("status = 'requires_action'")),
    ("ix_runs_unsettled", ["ended_at"], sa.text("unsettled")),
    ("ix_runs_events_kept", ["ended_at"], sa.text("events_kept AND ended_at IS NOT NULL")),
)
NUMBER_RUNS = """
UPDATE runs SET number = counted.number FROM (
    SELECT user_id, run_id, row_number() OVER (PARTITION BY user_id, conversation_id ORDER BY run_id) AS number
    FROM runs
) AS counted
WHERE counted.user_id = runs.user_id AND counted.run_id = runs.run_id
"""
COUNT_RUNS = """
UPDATE conversations SET last_run_number = (
    SELECT count(*) FROM runs
    WHERE runs.user_id = conversations.user_id AND runs.conversation_id = conversations.conversation_id
)
"""


def upgrade() -> None:
    """Add what the run log needs."""
    for table, added in COLUMNS.items():
        for column in added:
            op.add_column(table, column._copy())
    op.execute(NUMBER_RUNS)
    op.execute(COUNT_RUNS)
    op.execute("UPDATE runs SET events_kept = false WHERE ended_at IS NOT NULL")  # there never were any
    op.drop_index("ix_runs_conversation", "runs")
    op.create_index("ix_runs_conversation", "runs", ["user_id", "conversation_id", "number"])
    for name, columns, where in PARTIAL_INDEXES:
        op.create_index(name, "runs", columns, postgresql_where=where, sqlite_where=where)
    op.create_index("uq_conversations_client_thread", "conversations", ["user_id", "client_thread_id"], unique=True)
    op.create_table(
        "model_responses",
        *_run_key(),
        sa.Column("response_ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        _run("fk_model_responses_run"),
    )
    op.create_table(
        "run_events",
        *_run_key(),
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("data", sa.Text, nullable=False),
        _run("fk_run_events_run"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("idempotency_key", sa.String(255), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created_at"])
    op.create_table(
        "daily_usage",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("model_requests", sa.BigInteger, nullable=False, server_default=ZERO),
        sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default=ZERO),
        sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default=ZERO),
    )


def downgrade() -> None:
    """Take it away again. Queued, waiting and stopped runs end as failed: 0001 knows none of these states."""
    op.execute(
        "UPDATE runs SET status = 'failed', error_type = 'interrupted', error_detail = 'The service was set back.', "
        "ended_at = created_at WHERE status IN ('queued', 'requires_action', 'cancelled')"
    )
    for table in ("daily_usage", "idempotency_keys", "run_events", "model_responses"):
        op.drop_table(table)
    op.drop_index("uq_conversations_client_thread", "conversations")
    for name, _, _ in PARTIAL_INDEXES:
        op.drop_index(name, "runs")
    op.drop_index("ix_runs_conversation", "runs")
    op.create_index("ix_runs_conversation", "runs", ["user_id", "conversation_id", "run_id"])
    for table, added in COLUMNS.items():
        for column in added:
            op.drop_column(table, column.name)


def _run_key() -> tuple[sa.Column[str], sa.Column[str]]:
    return (
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("run_id", sa.String(36), primary_key=True),
    )


def _run(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id", "run_id"], ["runs.user_id", "runs.run_id"], name=name, ondelete="CASCADE"
    )
