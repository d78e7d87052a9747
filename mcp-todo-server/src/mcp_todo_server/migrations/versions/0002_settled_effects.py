"""Effects that never happen, and an index by which old keys are found.

Revision: 0002. The service's previous version goes on writing rows without naming the new column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both."""
    op.add_column("effects", sa.Column("void", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_effects_created", "effects", ["created_at"])


def downgrade() -> None:
    """Drop both. Keys of void calls go first: without the column they would pass for answers."""
    op.execute("DELETE FROM effects WHERE void")
    op.drop_index("ix_effects_created", "effects")
    op.drop_column("effects", "void")
